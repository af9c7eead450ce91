"""Texts for people that stand in no source of ours as such: of argparse and of the operating
system, and those that are put together of a number and of what is counted.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Final

_ARGPARSE: Final = (
    "error: ",
    "usage: ",
    "options",
    "positional arguments",
    "show this help message and exit",
    "argument {name}: {message}",
    "ambiguous option: {option} could match {matches}",
    "conflicting option string: {option}",
    "expected one argument",
    "expected at least one argument",
    "expected at most one argument",
    "expected {count} arguments",
    "ignored explicit argument {argument}",
    "invalid choice: {value} (choose from {choices})",
    "invalid {type} value: {value}",
    "not allowed with argument {name}",
    "one of the arguments {names} is required",
    "the following arguments are required: {names}",
    "unrecognized arguments: {words}",
)
_COUNTED: Final = (
    "{number} checkpoints",
    "{number} identifier",
    "{number} journals",
    "{number} leaves",
    "{number} leaves decided again",
    "{number} location",
    "{number} names",
    "{number} owner",
    "{number} pool",
    "{number} rows",
    "{number} zones",
)
_NAMED: Final = ("nothing", "option", "section")
_ERRORS: Final = (
    errno.EACCES,
    errno.EADDRINUSE,
    errno.EADDRNOTAVAIL,
    errno.EBUSY,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EEXIST,
    errno.EFBIG,
    errno.EHOSTUNREACH,
    errno.EINVAL,
    errno.EIO,
    errno.EISDIR,
    errno.ELOOP,
    errno.EMFILE,
    errno.ENAMETOOLONG,
    errno.ENETUNREACH,
    errno.ENODEV,
    errno.ENOENT,
    errno.ENOMEM,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.ENOTEMPTY,
    errno.EPERM,
    errno.EPIPE,
    errno.EROFS,
    errno.ETIMEDOUT,
)


def texts() -> Iterator[str]:
    """Each as it may be told, with holes as in our own."""
    yield from (*_ARGPARSE, *_COUNTED, *_NAMED)
    yield from map(os.strerror, _ERRORS)
