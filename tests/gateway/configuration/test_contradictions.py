"""What options say together that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.configuration.contradictions import contradictions
from gateway.configuration.load import parse
from tests.support.commands import run

SECRET = "c2VjcmV0IG9mIHR3byBzZXJ2ZXJzIG9mIGEgdGVzdC4="


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[serve]\nlisten-tls = "127.0.0.1:853"', "[serve] listen-tls without tls-cert"),
        ('[serve]\ntls-cert = "a.pem"', "[serve] certificates without listen-tls"),
        ('[http]\ntls-key = "a.pem"', "[http] tls-key without tls-cert"),
        ('[http]\nlisten = "192.0.2.1:443"', "tokens would be sent in the clear"),
        (
            '[serve]\nlisten = "127.0.0.1:53"\n[metrics]\nlisten = "127.0.0.1:53"',
            "[serve] listen and [metrics] listen: 127.0.0.1:53 is named 2 times",
        ),
        ('[serve]\nlisten = ["127.0.0.1:53", "127.0.0.1:53"]', "is named 2 times"),
        ('[serve]\nuser = "no-such-user"', "there is no such user on this machine"),
        ('[backup]\nrecipients = "age1"\npassphrase-file = "a"', "one way or the other"),
        ('[[zone]]\norigin = "a.test"\n[[zone]]\norigin = "A.test."', "[[zone]] a.test: 2 times"),
        ('[[zone]]\norigin = "a.test"\nkey = "k."', "are for follow and notify"),
        ('[[zone]]\norigin = "a.test"\nfollow = []', "follow names no primary"),
        (
            '[[zone]]\norigin = "a.test"\nfollow = "192.0.2.1"\nupdate = "k."',
            "for its primaries to allow",
        ),
        ('[[zone]]\norigin = "a.test"\ntransport = "tls"\ntransfer = "k."', "over TLS: [serve]"),
        ('[[zone]]\norigin = "*"\ntransfer = ["192.0.2.1", "192.0.2.1/32"]', "somebody twice"),
        (
            '[[zone]]\norigin = "a.test"\nfollow = "192.0.2.1"\nnotify = "192.0.2.1:53"',
            "192.0.2.1:53 is followed and notified: a loop",
        ),
        ('[[key]]\nname = "k."\nsecret-file = "none"', "none: No such file or directory"),
    ],
)
def test_each_is_told_with_its_place(
    text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (said,) = contradictions(parse(text.encode(), "csid.toml"))
    assert told in said


def test_all_are_told_and_the_exit_code_says_so(tmp_path: Path) -> None:
    file = tmp_path / "csid.toml"
    file.write_text('[http]\ntls-key = "a.pem"\n[serve]\nuser = "no-such-user"\n')
    ran = run("config", "check", "--config", str(file))
    assert ran.code == 2
    assert "[http] tls-key" in ran.err
    assert "no-such-user" in ran.err
    assert "can be used" not in ran.out


def test_a_secret_is_in_no_message(tmp_path: Path) -> None:
    file = tmp_path / "k1.key"
    for text in (f"{SECRET}?", "", "\n" + SECRET):
        file.write_text(text)
        said = f'[[key]]\nname = "k1."\nsecret-file = "{file}"\n'
        (told,) = contradictions(parse(said.encode(), "csid.toml"))
        assert "expected base64 in its first line" in told
        assert SECRET not in told


def test_keys_and_zones_that_belong_together_are_none(tmp_path: Path) -> None:
    file = tmp_path / "k1.key"
    file.write_text(f"{SECRET}\n")
    text = f"""
[[key]]
name = "k1"
secret-file = "{file}"
[[zone]]
origin = "*"
transfer = ["192.0.2.0/24", "k1"]
notify = ["192.0.2.1", "192.0.2.2:5300"]
key = "k1"
[[zone]]
origin = "a.test"
follow = ["192.0.2.1"]
"""
    assert list(contradictions(parse(text.encode(), "csid.toml"))) == []
