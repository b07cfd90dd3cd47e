"""How workers, which serve clients, read records through the keeper, the only process that has the
store."""
