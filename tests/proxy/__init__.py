"""Tests of the gateway and the domain beneath it."""
