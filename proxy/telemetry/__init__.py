"""What is recorded of requests that are over: the access log, metrics, the usage of keys."""
