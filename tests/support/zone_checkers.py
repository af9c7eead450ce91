"""The checkers and compilers of other name servers, over zones of origin "ex."."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def run(program: str, *arguments: str) -> str:
    """What a server's checker prints; it must be content. Skips where it is not installed."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def knot_reads(path: Path) -> None:
    """Knot must take this zone file; its semantic checks are off."""
    settings = path.with_suffix(".conf")
    settings.write_text(
        f"server:\n    rundir: {path.parent}\ndatabase:\n    storage: {path.parent}\n"
        f"zone:\n  - domain: ex.\n    file: {path}\n    semantic-checks: off\n"
    )
    run("knotc", "-c", str(settings), "zone-check", "ex.")


def bind_compiled(text: str, folder: Path) -> tuple[bytes | None, str]:
    """A zone "ex." in BIND's raw format, None if it refuses it, and what it says."""
    path, raw = folder / "ex.zone", folder / "raw"
    path.write_text(text, encoding="utf-8", newline="")
    ignore = [word for option in "knrmMSWT" for word in (f"-{option}", "ignore")]
    options = [*ignore, "-i", "none", "-F", "raw", "-o", str(raw)]
    command = ["named-compilezone", *options, "ex.", str(path)]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=30, check=False
    )
    return raw.read_bytes() if done.returncode == 0 else None, done.stdout


def raw_records(raw: bytes) -> list[tuple[bytes, int, bytes, int]]:
    """Owner, type, data and TTL from BIND's raw format, version 1."""
    records, at = [], 24
    while at < len(raw):
        end = at + int.from_bytes(raw[at : at + 4])
        ttl = int.from_bytes(raw[at + 10 : at + 14])
        rrtype, count = int.from_bytes(raw[at + 6 : at + 8]), int.from_bytes(raw[at + 14 : at + 18])
        name_end = at + 20 + int.from_bytes(raw[at + 18 : at + 20])
        owner, at = raw[at + 20 : name_end], name_end
        for _ in range(count):
            size = int.from_bytes(raw[at : at + 2])
            records.append((owner, rrtype, raw[at + 2 : at + 2 + size], ttl))
            at += 2 + size
        assert at == end
    return records
