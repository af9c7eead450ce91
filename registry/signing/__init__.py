"""The audit log of a data directory, signed, proved and published: `registry.audit` on tables."""
