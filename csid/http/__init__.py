"""The client of the interface over HTTPS without its sockets: calls, what comes of them, when to
ask again. The drivers are `gateway.registry_client` and `gateway.async_registry_client`.
"""
