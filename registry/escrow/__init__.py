"""Escrow: what is registered, deposited with a third party in a form that any program reads.

After RFC 8909 (registry data escrow) and RFC 9022 (its objects), in JSON Lines: a deposit is full,
or has what changed since the one before; it is signed with the key of the audit log, and says by
the log's own proof that it goes on from the one before. The form stands in `schemas/escrow.md`.
"""

from registry.escrow.deposit import Deposited, deposit
from registry.escrow.errors import EscrowError
from registry.escrow.statement import Kind, Statement
from registry.escrow.verify import Fault, Report, verify

__all__ = [
    "Deposited",
    "EscrowError",
    "Fault",
    "Kind",
    "Report",
    "Statement",
    "deposit",
    "verify",
]
