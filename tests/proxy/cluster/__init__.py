"""Several nodes over one PostgreSQL server."""
