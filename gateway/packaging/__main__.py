"""Writes what an installation needs besides the program below a root: `python -m gateway.packaging
ROOT [--program PATH]`. A configuration that is there stays as it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.packaging.files import PROGRAM, write


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, and tell which."""
    parser = argparse.ArgumentParser(prog="gateway.packaging", description=__doc__)
    parser.add_argument("root", type=Path, help="/ for this machine, or a folder")
    parser.add_argument("--program", default=PROGRAM, help=f"where csid is installed ({PROGRAM})")
    options = parser.parse_args(arguments)
    for path in write(options.root, options.program):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
