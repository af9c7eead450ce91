"""The writer asked in the loop of the interface."""

from __future__ import annotations

import asyncio

import pytest

from csid.errors import CsidError
from gateway.http import asking
from registry.writer.protocol import PONG, Frames, frame


def test_whoever_waits_too_long_is_told_and_the_others_get_their_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 0.05)

    async def ask() -> None:
        answers = asking._Answers(Frames())
        answered, silent = answers.awaited(1), answers.awaited(2)
        answers.data_received(frame(1, PONG))
        assert await answered == (1, PONG)
        with pytest.raises(CsidError, match="in time"):
            await silent
        later = answers.awaited(3)  # after a look that found nobody
        answers.data_received(frame(2, PONG) + frame(3, PONG))
        assert await later == (3, PONG)
        assert not answers.waiting

    asyncio.run(asyncio.wait_for(ask(), 20))
