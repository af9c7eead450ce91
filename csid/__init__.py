"""Compute identifiers (算力标识): their form, their names in the DNS, their records.

Pure: nothing here opens a socket, reads a clock or touches a database.
"""

from csid.interpreted import use_sources_if_asked

use_sources_if_asked()
