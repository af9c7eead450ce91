"""Backups of a node: made beside whoever writes, whole or as differences, and nodes made of them.

take.py      one moment of the data to a folder or a stream
shelf.py     the backups in a folder
restore.py   a new node from a backup, looked through
background.py   what others are not to wait for
manifest.py, pages.py, packing.py, sealing.py    the form (schemas/backup.md)
"""

from registry.backup.background import in_background
from registry.backup.errors import BackupError
from registry.backup.manifest import Kind, Manifest, Sealing
from registry.backup.restore import FaultyError, Restored, newest, of_file, of_stream, restore
from registry.backup.sealing import (
    Opener,
    Sealer,
    identities_in,
    passphrase_in,
    to_passphrase,
    to_recipients,
)
from registry.backup.take import Taken, to_folder, to_stream

__all__ = [
    "BackupError",
    "FaultyError",
    "Kind",
    "Manifest",
    "Opener",
    "Restored",
    "Sealer",
    "Sealing",
    "Taken",
    "identities_in",
    "in_background",
    "newest",
    "of_file",
    "of_stream",
    "passphrase_in",
    "restore",
    "to_folder",
    "to_passphrase",
    "to_recipients",
    "to_stream",
]
