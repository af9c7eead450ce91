"""Programs of other servers in Python that tests start, from an environment of their own: what they
need must not decide what this project runs with.

It is `.venv-servers` in the checkout's root, or the folder that `CSID_PROGRAMS` names; tests skip
where neither has the program.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.servers import CHECKOUT


def server_program(name: str) -> Path | None:
    """A program of that environment, such as `python` or `sushy-emulator`; None if it is absent."""
    folder = os.environ.get("CSID_PROGRAMS")
    environment = Path(folder) if folder else CHECKOUT / ".venv-servers"
    program = environment / "bin" / name
    return program if os.access(program, os.X_OK) else None
