"""What is told of requests once they are over: access log, metrics, uses of keys."""
