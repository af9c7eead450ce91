"""What another user of the machine gets, in a process of that user."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def as_user(uid: int, function: Callable[[], T], groups: Sequence[int] = ()) -> T:
    """What a function returns, or raises, in a process of a user; its first group has the same
    number. Skips where this one may not be another.
    """
    if os.geteuid() != 0:
        pytest.skip("other users are for root")
    read, write = os.pipe()
    child = os.fork()
    if not child:
        _answer(write, uid, groups, function)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        octets = pipe.read()
    os.waitpid(child, 0)
    result: Any = pickle.loads(octets)
    if isinstance(result, BaseException):
        raise result
    return result  # type: ignore[no-any-return]


def _answer(pipe: int, uid: int, groups: Sequence[int], function: Callable[[], object]) -> None:
    """Never returns, as the test would then go on twice."""
    try:
        os.setgroups(groups)
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        try:
            result: object = function()
        except BaseException as error:
            result = error
        with os.fdopen(pipe, "wb") as out:
            pickle.dump(result, out)
    finally:
        os._exit(0)
