"""How the data of each record type is written and read, field by field."""
