"""Copying a store into a new one, of the same kind or of the other."""
