"""RDAP (RFC 7480, 9082, 9083): the registration data of identifiers and owners, for everybody."""
