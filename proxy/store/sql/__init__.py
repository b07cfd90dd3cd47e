"""What every SQL store has in common: its statements, and what they are made from and into."""
