"""The gateway beside what a user would pick instead: `python -m benchmarks`, or `make bench`."""
