"""The gateway in front of servers that others wrote: what they make of what it lets through."""
