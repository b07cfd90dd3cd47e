"""HTTP/1.1 as bytes: what is read and what is written. Pure: it does no I/O."""
