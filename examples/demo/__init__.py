"""`make demo`: a network of nodes on this machine, with real resources (`__main__` tells it)."""
