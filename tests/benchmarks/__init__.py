"""What measures, and what is written about what was measured."""
