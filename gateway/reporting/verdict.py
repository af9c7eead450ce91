"""What the node's answer to a batch means for what was in it. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.reporting import upward
from gateway.reporting.spool import Waiting
from gateway.reporting.upward import Result, UpwardError

# The batch cannot be read as it is: in smaller ones it may be, and what is wrong is found.
_PART_IT: Final = frozenset({400, 413, 422})


class Verdict(NamedTuple):
    """What becomes of a batch.

    Attributes:
        statuses, events: numbers of those that wait no longer.
        refused: results of those of them that the node does not want.
        part: smaller batches are to be tried.
        fault: why all of it waits on; empty if it does not.
    """

    statuses: list[int]
    events: list[int]
    refused: list[Result]
    part: bool = False
    fault: str = ""


def verdict(sent: Waiting, http: int, body: bytes) -> Verdict:
    """What an answer means.

    Args:
        sent: the batch.
        http: status of the answer.
        body: of the answer.
    """
    numbers = [number for number, _ in sent.statuses], [number for number, _ in sent.events]
    try:
        results = upward.read_results(body, len(sent.statuses), len(sent.events))
    except UpwardError as error:
        if http not in _PART_IT:
            return Verdict([], [], [], fault=f"the node answers {http}: {_text(body)}")
        if len(sent.statuses) + len(sent.events) > 1:
            return Verdict([], [], [], part=True, fault=f"the node answers {http}: {error}")
        lone = Result(http, "invalid", _text(body))
        return Verdict(*numbers, [lone])
    done: tuple[list[int], list[int]] = [], []
    refused: list[Result] = []
    waits = ""
    for kept, which, those in zip(done, numbers, (results.statuses, results.events), strict=True):
        for number, one in zip(which, those, strict=True):
            if one.status >= 500:
                waits = f"the node says {one.outcome}: {one.detail}"
                continue
            kept.append(number)
            if one.status >= 400:
                refused.append(one)
    return Verdict(*done, refused, fault=waits)


def _text(body: bytes) -> str:
    return body[:300].decode("utf-8", "replace")
