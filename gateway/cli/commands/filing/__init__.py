"""`csid filing`: a module for each action, both sides of it."""
