"""Becoming another user, once what only root may do is done.

For servers that are started by root without a service manager that does it: ports below 1024 are
bound, certificates are read, then all rights are given up for good.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Final

from csid.errors import CsidError
from resolver.store.access import has_data

_PR_SET_NO_NEW_PRIVS: Final = 38  # prctl(2)
_WRITTEN: Final = ("data.mdb", "lock.mdb")

_libc = ctypes.CDLL(None, use_errno=True)


class PrivilegesError(CsidError):
    """The user cannot be changed to the one that was named, or has no use of the data."""


def account(name: str) -> pwd.struct_passwd:
    """The account of a user that this process can become.

    Raises:
        PrivilegesError: there is none, or it is not for us to become it.
    """
    try:
        found = pwd.getpwnam(name)
    except (KeyError, ValueError):  # a name with NUL
        raise PrivilegesError(
            f"--user {name!r:.80}: there is no such user; make one, such as by: useradd --system "
            f"--home-dir /var/lib/csid --shell /usr/sbin/nologin csid"
        ) from None
    if found.pw_uid == 0:
        raise PrivilegesError(f"--user {name}: that user may do everything; name another")
    if os.geteuid() not in (0, found.pw_uid):
        raise PrivilegesError(
            f"--user {name}: only root can become another user; start it as root, or as {name} "
            "without --user"
        )
    return found


def become(
    user: pwd.struct_passwd, data: Path, environ: MutableMapping[str, str] = os.environ
) -> None:
    """Be that user from now on, with its groups and nothing else, and see that it can use a data
    directory.

    Raises:
        PrivilegesError: it cannot be done, or the data are not that user's.
    """
    try:
        if os.geteuid() == 0:
            os.initgroups(user.pw_name, user.pw_gid)
            with _for_a_moment(user):  # root can still read what it takes to say what is wrong
                require_usable(data, user.pw_name)
            os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
            os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
        else:
            require_usable(data, user.pw_name)
    except OSError as error:
        raise PrivilegesError(f"--user {user.pw_name}: {error.strerror}") from None
    if os.getresuid() != (user.pw_uid,) * 3:
        raise PrivilegesError(f"--user {user.pw_name}: still another user, {os.getresuid()}")
    # Whatever is started from here on gets no rights of the files it is made of.
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise PrivilegesError(f"--user {user.pw_name}: {os.strerror(ctypes.get_errno())}")
    environ.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
    # Those are root's own places.
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
        environ.pop(name, None)


def require_usable(data: Path, name: str) -> None:
    """See that this process may run this program, and read and write a data directory.

    Raises:
        PrivilegesError: it may not; the message says which file, whose it is, and what to do.
    """
    for program in (Path(sys.executable), Path(__file__)):
        if not os.access(program, os.R_OK, effective_ids=True):
            raise PrivilegesError(
                f"{program}: {name} cannot read it, and so not run it; install csid and its Python "
                "where every user may read them"
            )
    for path in _needed(data):
        mode = os.R_OK | os.W_OK | (os.X_OK if path == data else 0)
        if not os.access(path, mode, effective_ids=True):
            raise PrivilegesError(
                f"{path}: belongs to {_owner(path)}, and {name} cannot read and write it; let it "
                f"belong to {name}: chown -R {name}: {data}"
            )


def _needed(data: Path) -> Iterator[Path]:
    yield data
    if not has_data(data):
        return  # that is said by whoever opens it
    for name in _WRITTEN:
        if (data / name).exists():
            yield data / name


@contextlib.contextmanager
def _for_a_moment(user: pwd.struct_passwd) -> Iterator[None]:
    before = os.getegid(), os.geteuid()
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    try:
        yield
    finally:
        os.seteuid(before[1])
        os.setegid(before[0])


def _owner(path: Path) -> str:
    with contextlib.suppress(KeyError, OSError):
        return path.owner()
    return "somebody else"
