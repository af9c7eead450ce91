"""`csid node`: what changes the register in `command`, what reads it in `show`."""
