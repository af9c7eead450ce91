"""`csid zone`: a module for each of its larger actions, the others in `command`."""
