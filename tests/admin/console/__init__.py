"""The console, by a browser without scripts; tests/browser has one with scripts."""
