"""Which target of an upstream gets a request: the choice, the health of targets, retries. Pure."""
