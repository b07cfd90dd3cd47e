"""What the tests and the benchmarks both use: keys for a store, credentials, ports and processes.

Nothing here imports pytest, because the benchmarks run without it.
"""
