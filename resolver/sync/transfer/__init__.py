"""Zones on their way: packed and sent, received and taken in (RFC 5936, RFC 1995)."""
