"""What pools, platforms and agents report under their identifiers, on its way to the node."""
