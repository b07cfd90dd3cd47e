"""Load that hurts: crowds of clients that hold connections, against real gateways."""
