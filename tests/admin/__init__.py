"""The office, over HTTP where it speaks it and on real stores throughout."""
