"""What may be asked of the registry and what is decided on it: pure, without a store."""
