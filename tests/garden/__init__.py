"""The garden: random requests through the gateway to servers of all kinds, whose readings of the
requests must agree with the gateway's."""
