"""Finding out what others know, from the root on (RFC 1034 section 5.3.3): no socket, no clock."""
