"""Benchmarks; `python -m benchmarks.run --help` lists them."""

from __future__ import annotations

import os
import tempfile

# How far the nodes of benchmarks get is nothing for this machine to remember.
_STATE = tempfile.TemporaryDirectory(prefix="csid-state-")
os.environ.setdefault("CSID_STATE", _STATE.name)
