"""A system to begin with: people leave notes about identifiers, and can freeze some of them."""
