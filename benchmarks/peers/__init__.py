"""The servers that the gateway is compared with: their configurations, and how each is started."""
