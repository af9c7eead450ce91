"""Programs of this checkout run by users who may not look into the folders that it, or its
interpreter, lies in: they see these, and only these, in a mount namespace of their own.
"""

from __future__ import annotations

import shlex
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.servers import CHECKOUT


def opened(words: Sequence[str], scratch: Path) -> list[str]:
    """A command as it is to be run by root, so that other users can go on with it.

    Args:
        scratch: an empty folder.
    """
    needed = {Path(one).resolve() for one in (sys.prefix, sys.base_prefix, CHECKOUT)}
    closed: dict[Path, list[Path]] = {}
    for path in needed:
        tops = [one for one in reversed(path.parents) if not one.stat().st_mode & stat.S_IXOTH]
        if tops:
            closed.setdefault(tops[0], []).append(path)
    script = ["set -e"]
    for number, (top, paths) in enumerate(closed.items()):
        kept = scratch / str(number)
        script += [f"mkdir {kept}", f"mount --rbind {_quoted(top)} {kept}"]
        script.append(f"mount -t tmpfs -o mode=755 tmpfs {_quoted(top)}")
        for path in paths:
            script.append(f"mkdir -p {_quoted(path)}")
            script.append(f"mount --rbind {_quoted(kept / path.relative_to(top))} {_quoted(path)}")
    script.append('exec "$@"')
    return ["unshare", "--mount", "sh", "-c", "\n".join(script), "sh", *words]


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
