"""Models of accelerators, out of what drivers and firmware call them."""

from __future__ import annotations

import re
from typing import Final

from gateway.systems.aggregation.adapters.bodies import amount, text

_MAKERS: Final = frozenset(
    (
        "nvidia",
        "tesla",
        "geforce",
        "quadro",
        "amd",
        "instinct",
        "radeon",
        "huawei",
        "ascend",
        "intel",
    )
)
_FORM: Final = re.compile(r"(?:SXM|PCIE|OAM|HBM|GDDR|DDR)\w*|[0-9]+ ?G(?:i?B)?", re.I | re.ASCII)
_MEMORY: Final = re.compile(r"(?<![0-9A-Za-z])([0-9]{1,4}) ?G(?:i?B)\b", re.I | re.ASCII)
_MIB_A_GIB: Final = 1_024


def model(said: str | None) -> str:
    """`H100` of `NVIDIA H100 80GB HBM3`, `A100` of `NVIDIA A100-SXM4-80GB`, `RTX 4090` of `NVIDIA
    GeForce RTX 4090`: without its maker, and without memory and form from there on.
    """
    kept: list[str] = []
    for word in re.split(r"[ _-]+", text(said)):
        if kept and _FORM.fullmatch(word):
            break
        if word.lower() not in _MAKERS:
            kept.append(word)
    return " ".join(kept)


def memory_gib(said: str | None, mib: float) -> float:
    """Memory of one card: as its name has it, which is what it is sold as; else as it was
    measured, MiB, of which drivers keep some for themselves.
    """
    match = _MEMORY.search(said or "")
    return float(match[1]) if match else float(round(amount(mib) / _MIB_A_GIB))
