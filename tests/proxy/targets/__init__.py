"""Tests of `proxy.targets`."""
