"""`csid system`: the systems of a node."""
