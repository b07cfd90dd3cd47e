"""Tests of the access log, the metrics and the usage recorder."""
