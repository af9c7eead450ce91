"""Verification: whether all that a data directory holds is what its audit log says.

    log.py         the log itself: leaves, tiles, checkpoints, signatures
    ledger.py      the rows that follow from the leaves, replayed (`registry.replay`) for this alone
    rows.py        every table of the registry against these, both ways, octet for octet
    directory.py   settings, apexes, generations and journals of the store
    tree.py        every name of every zone, as `registry.authority` judges it; pointers
    rules.py       each change decided again, under the rules of today, for whoever asks
    indexes.py     what only counts and finds, made right again

Nothing is called sound that was not looked at: what cannot be compared with the log is named in the
report (`report.py`).
"""

from __future__ import annotations

from registry.verify.report import Fault, Report, Verdict
from registry.verify.run import Progress, in_silence, verify

__all__ = ["Fault", "Progress", "Report", "Verdict", "in_silence", "verify"]
