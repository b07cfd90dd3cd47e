"""Tests of `proxy.processes`."""
