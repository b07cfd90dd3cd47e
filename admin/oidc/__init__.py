"""OpenID Connect as a relying party: the protocol alone, which knows neither the store nor pages.

A login is the authorization code flow with PKCE, state and nonce. `attempts` binds it to a browser,
`metadata` reads what the provider says of itself, `id_token` decides whether a token proves who a
person is, and `provider` asks the provider.
"""
