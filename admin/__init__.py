"""The admin server: the only place where keys are made and unmade."""
