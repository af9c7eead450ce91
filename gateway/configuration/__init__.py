"""The configuration of a node: one TOML file, each option with its default (`sections.py`)."""
