"""Tables of many identifiers, read by processes of their own and taken in through the rules."""
