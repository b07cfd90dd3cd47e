"""The same requests through the gateway and through other proxies that ask it by forward-auth."""
