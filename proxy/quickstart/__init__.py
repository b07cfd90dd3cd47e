"""Quickstart: everything on one machine, with a sample API as the upstream."""
