"""The sync process: what alone asks other servers, on top of the writer."""
