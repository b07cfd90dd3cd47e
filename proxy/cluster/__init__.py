"""One of several nodes that share a store: how it follows the others, and for how long it may go by
what it knows."""
