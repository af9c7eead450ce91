"""`csid aggregate`: compute of providers, read where it is managed."""
