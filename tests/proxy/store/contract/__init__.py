"""The contract of a store: what every adapter must do.

These tests know a store by `proxy.store.protocols` alone and run once for each adapter in
`tests.proxy.store.adapters`.
"""
