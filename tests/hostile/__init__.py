"""Requests and answers that mean one thing to one reader and another to the next."""
