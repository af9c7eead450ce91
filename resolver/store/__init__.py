"""The data directory: one LMDB environment, how it is read, changed and laid out."""
