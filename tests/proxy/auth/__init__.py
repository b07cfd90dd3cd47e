"""Tests of authentication and of the decision."""
