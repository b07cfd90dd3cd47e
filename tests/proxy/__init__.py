"""Tests of the gate and the domain beneath it."""
