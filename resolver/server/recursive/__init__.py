"""The processes of a recursive resolver (RFC 9499): a cache that answers, and one that asks."""
