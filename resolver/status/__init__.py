"""What was told last of the resources behind names: a store of its own, and answers from it."""
