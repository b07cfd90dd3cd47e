"""The office: the only place where keys are made and unmade."""
