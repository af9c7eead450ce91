"""Zones between servers: transfers, notices, updates, signatures. Octets, a moment of the store and
the time are arguments; sockets stand in `resolver/server/`.
"""
