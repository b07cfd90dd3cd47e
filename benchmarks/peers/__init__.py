"""What the gate is compared with: configurations, and how each is started."""
