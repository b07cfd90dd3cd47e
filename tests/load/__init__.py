"""Load that hurts: crowds of clients that hold what they take, before real gateways."""
