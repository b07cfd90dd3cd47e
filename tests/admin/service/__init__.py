"""The acts of the office, on real stores."""
