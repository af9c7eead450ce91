"""The commands of `csid`, a module or a room each; `gateway.cli.COMMANDS` says which is which."""
