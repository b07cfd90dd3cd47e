"""What the gateway is compared with: configurations, and how each is started."""
