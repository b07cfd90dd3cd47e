"""The data path: clients' connections, upstreams' connections, and the exchanges between them."""
