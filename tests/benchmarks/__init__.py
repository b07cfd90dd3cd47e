"""Tests of the benchmarks: how they measure, and what they report."""
