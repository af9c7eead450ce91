"""The commands of `csid`, a module each; `gateway.cli.COMMANDS` says which is which."""
