"""Catalog zones (RFC 9432): what they list, and what of it is held here."""
