"""The acts of the admin server, on real stores."""
