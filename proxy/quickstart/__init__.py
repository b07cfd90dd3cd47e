"""The first five minutes: everything on one machine, with a sample API behind it."""
