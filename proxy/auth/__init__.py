"""Who asks, and whether they may: authentication and the decision on a request."""
