"""Several nodes over a real PostgreSQL, with faults between and in them."""
