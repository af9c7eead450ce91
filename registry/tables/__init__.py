"""The registry's rows: what they hold, how they are kept, seen, written and searched."""
