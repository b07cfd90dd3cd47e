"""Requests and answers that two parsers would read differently, and guessed credentials."""
