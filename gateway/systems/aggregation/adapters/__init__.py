"""What sources say, each kind in the words of its own interface, made into readings."""
