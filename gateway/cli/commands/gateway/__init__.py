"""`csid gateway`: the compute gateway."""
