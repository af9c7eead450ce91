"""DNS UPDATE (RFC 2136): read, held against a zone, carried out."""
