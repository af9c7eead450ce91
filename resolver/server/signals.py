"""The signals that mean nothing to a server, and so must not end it."""

from __future__ import annotations

import signal
from typing import Final

# Signals that end a program unless it says otherwise, and mean nothing to this one. What is ignored
# stays so in a process that is started; those who have a use for one handle it again.
MEANINGLESS: Final = signal.valid_signals() - {
    signal.SIGKILL,
    signal.SIGSTOP,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,  # ends with a core file, as asked
    signal.SIGCHLD,
    signal.SIGCONT,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    # Faults of the program itself.
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGSEGV,
    signal.SIGSYS,
    signal.SIGTRAP,
}


def ignore_meaningless() -> None:
    """Ignore them: the first thing that a server does, for one may come at any moment."""
    for number in MEANINGLESS:
        signal.signal(number, signal.SIG_IGN)
