"""Tests of `proxy.workers`."""
