"""The admin server, over HTTP where it speaks it and on real stores throughout."""
