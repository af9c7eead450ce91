"""The client: `csid.client` with sockets, for programs that wait and for those of an event loop."""
