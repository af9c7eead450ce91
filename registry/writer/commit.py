"""Requests of several callers, decided one after the other and committed together."""

from __future__ import annotations

import time
from collections.abc import Sequence

from csid.limits import COMMIT_SECONDS
from registry.core import Core
from registry.desk import decided
from registry.rules.decision import Decision
from registry.rules.requests import Request

Outcomes = list[Decision | Exception]  # for each request of a caller


def commit(core: Core, waiting: Sequence[Sequence[Request]]) -> list[Outcomes]:
    """Carry out the requests of callers in one transaction, durable when this returns.

    Returns:
        The outcomes of the first callers, of at least one: those whose turn came after
        COMMIT_SECONDS are left to the next transaction.

    Raises:
        StoreError: nothing was done.
    """
    done: list[Outcomes] = []
    until = time.monotonic() + COMMIT_SECONDS
    with core.desk.batch(core.store, int(time.time())) as batch:
        for requests in waiting:
            done.append([decided(batch, request) for request in requests])
            if time.monotonic() >= until:
                break
    for observe in core.stages.observe:
        for outcomes in done:
            for outcome in outcomes:
                observe(outcome)
    return done
