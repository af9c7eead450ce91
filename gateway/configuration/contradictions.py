"""What each option may say and all of them together may not."""

from __future__ import annotations

import pwd
from collections import Counter
from collections.abc import Iterator

from csid.errors import CsidError
from gateway.configuration.between import configured_of
from gateway.configuration.sections import Configuration
from gateway.configuration.values import ALL
from gateway.http.kind import require_safe
from resolver.sync.subjects import subject_of


def contradictions(found: Configuration) -> Iterator[str]:
    """Each in words: where it is, what is wrong, what to do."""
    yield from _listeners(found)
    yield from _certificates(found)
    yield from of_keys_and_zones(found)
    if found.serve.user:
        try:
            pwd.getpwnam(found.serve.user)
        except KeyError:
            yield f"[serve] user {found.serve.user}: there is no such user on this machine"
    if found.backup.recipients and found.backup.passphrase_file:
        yield "[backup] recipients and passphrase-file: encrypt in one way or the other"


def _listeners(found: Configuration) -> Iterator[str]:
    said = {
        "[serve] listen": found.serve.listen,
        "[serve] listen-tls": found.serve.listen_tls,
        "[http] listen": found.http.listen,
        "[metrics] listen": found.metrics.listen,
    }
    places: dict[object, list[str]] = {}
    for name, addresses in said.items():
        for one in addresses:
            if one.port:
                places.setdefault(one, []).append(name)
    for address, names in places.items():
        if len(names) > 1:
            yield f"{' and '.join(dict.fromkeys(names))}: {address} is named {len(names)} times"


def _certificates(found: Configuration) -> Iterator[str]:
    serve = found.serve
    if serve.listen_tls and not serve.tls_cert:
        yield "[serve] listen-tls without tls-cert: say where the certificate is"
    if not serve.listen_tls and (serve.tls_cert or serve.tls_key or serve.tls_client_ca):
        yield "[serve] certificates without listen-tls: say where they are shown"
    try:
        require_safe(found.http)
    except CsidError as error:
        yield str(error)


def of_keys_and_zones(found: Configuration) -> Iterator[str]:
    """Those of `[[key]]` and `[[zone]]`, without which nothing of these can be done."""
    names = Counter(one.name.lower().rstrip(".") for one in found.key)
    yield from (f"[[key]] {name}: {count} times" for name, count in names.items() if count > 1)
    origins = Counter(one.origin.lower().rstrip(".") for one in found.zone)
    yield from (
        f"[[zone]] {name}: {count} times; say all of it in one place"
        for name, count in origins.items()
        if count > 1
    )
    for zone in found.zone:
        where = f"[[zone]] {zone.origin}"
        servers = [*(zone.follow or ()), *(zone.notify or ())]
        if not servers and (zone.key or zone.tls or zone.source):
            yield f"{where}: key, tls and source are for follow and notify, and neither is there"
        if zone.follow is not None and not zone.follow:
            yield f"{where}: follow names no primary"
        rights = {"transfer": zone.transfer, "update": zone.update, "notify-from": zone.notify_from}
        if zone.follow and zone.update:
            yield f"{where}: update of a zone that follows others is for its primaries to allow"
        if zone.transport == "tls" and not found.serve.listen_tls:
            yield f"{where}: transport tls, and nobody is listened to over TLS: [serve] listen-tls"
        if zone.transport == "tls" and not any(rights.values()):
            yield f"{where}: transport is of rights, and none is given"
        for name, given in rights.items():
            subjects = [subject_of(one) for one in given or ()]
            if len(set(subjects)) < len(subjects):
                yield f"{where}: {name} names somebody twice"
        if zone.origin != ALL and servers and len(set(servers)) < len(servers):
            both = set(zone.follow or ()) & set(zone.notify or ())
            if both:
                yield f"{where}: {', '.join(map(str, both))} is followed and notified: a loop"
    try:
        configured_of(found)
    except CsidError as error:
        yield str(error)
