"""What an installation needs besides the program, and where it lies."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib import resources
from pathlib import Path
from typing import Final

from gateway.cli import main as csid
from gateway.configuration.places import DEFAULT_FILE
from gateway.configuration.show import example

PROGRAM: Final = "/usr/bin/csid"
DATA: Final = "/var/lib/csid/node"  # beside it lies what the user csid has seen of nodes
GATEWAY: Final = "/var/lib/csid-gateway"
SYSTEMS: Final = "/var/lib/csid-systems"
_SAMPLES: Final = {  # files of this package
    "csid.service": "usr/lib/systemd/system/csid.service",
    "csid-gateway.service": "usr/lib/systemd/system/csid-gateway.service",
    "csid-systems.service": "usr/lib/systemd/system/csid-systems.service",
    "csid-escrow.service": "usr/lib/systemd/system/csid-escrow.service",
    "csid-escrow.timer": "usr/lib/systemd/system/csid-escrow.timer",
    "csid.sysusers": "usr/lib/sysusers.d/csid.conf",
    "csid.tmpfiles": "usr/lib/tmpfiles.d/csid.conf",
}
_COMPLETIONS: Final = {
    "bash": "usr/share/bash-completion/completions/csid",
    "zsh": "usr/share/zsh/vendor-completions/_csid",
    "fish": "usr/share/fish/vendor_completions.d/csid.fish",
}
_MANUAL: Final = "usr/share/man/man1"


def sample(name: str) -> str:
    """A file of this package."""
    return resources.files("gateway.packaging").joinpath(name).read_text("utf-8")


def configuration() -> str:
    """A configuration to begin with: all options as comments, but where the data are."""
    said = {("node", "data"): DATA, ("gateway", "data"): GATEWAY, ("systems", "data"): SYSTEMS}
    return example(said)


def write(root: Path, program: str = PROGRAM) -> Iterator[Path]:
    """Write all below a root; gives each path that was written.

    Args:
        program: where csid is installed, for whoever starts it.
    """
    for name, place in _SAMPLES.items():
        yield _write(root / place, sample(name).replace(PROGRAM, program))
    for shell, place in _COMPLETIONS.items():
        with redirect_stdout(io.StringIO()) as words:
            csid(["completion", shell])
        yield _write(root / place, words.getvalue())
    settings = root / DEFAULT_FILE.removeprefix("/")
    if not settings.exists():
        yield _write(settings, configuration())
    try:
        from gateway.cli.manual import pages  # its maker is no part of an installation
    except ImportError:
        return
    for name, page in pages():
        yield _write(root / _MANUAL / name, page)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
