"""Tests of the admin API over HTTP."""
