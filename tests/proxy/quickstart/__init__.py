"""Tests of the first five minutes."""
