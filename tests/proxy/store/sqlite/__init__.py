"""What is particular to the store in SQLite: its file, lock, schema and statements.

What is true of every store is tested in `tests/proxy/store/contract`.
"""
