"""Tests of `proxy/metrics`."""
