"""From a query's bytes to the answer's bytes. No socket, no clock, no store: all are arguments."""
