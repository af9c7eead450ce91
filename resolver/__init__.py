"""The resolution tree: store, lookup, answer, and the servers that carry bytes to it."""

import csid as csid  # decides first whether compiled modules are used
