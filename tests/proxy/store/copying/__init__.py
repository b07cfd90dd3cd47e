"""Tests of `proxy.store.copying`."""
