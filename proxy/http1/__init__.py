"""HTTP/1.1 on the wire: what is read and what is written, as bytes. Pure: it does no I/O."""
