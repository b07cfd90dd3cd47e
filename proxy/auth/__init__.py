"""Authentication, and the decision on a request."""
