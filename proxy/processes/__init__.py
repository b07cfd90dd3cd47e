"""Several processes on one machine: how a master starts them, and what they share. It knows nothing
of what they do."""
