"""What the project ships for operators, run as they would run it."""
