"""What `[aggregation]` says of a region and its nation."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.configuration.load import load
from gateway.configuration.values import ConfigurationError


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('upward = "http://192.0.2.1:8090"', "https, as a key is sent along"),
        ('upward = "nation"', "an URL such as"),
        ('upward = "https://me:secret@nation.example"', "without a user"),
        ('region = "Zhejiang"', "1 to 40 of a-z 0-9 -"),
        ('regions = ["zhejiang33"]\nregion = 3', "such as zhejiang"),
        ('regions = ["zhejiang x"]', 'such as "zhejiang 33"'),
        ("exchange = 0", "1 to 1800"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "csid.toml"
    file.write_text(f"[aggregation]\n{line}\n")
    with pytest.raises(ConfigurationError) as raised:
        load(file)
    assert said in str(raised.value).replace("1,800", "1800")


def test_who_is_believed_of_which_places(tmp_path: Path) -> None:
    file = tmp_path / "csid.toml"
    file.write_text('[aggregation]\nregions = ["zhejiang 33", "two 32 31", "any"]\n')
    found = load(file).aggregation
    assert found.believed == {"zhejiang": ("33",), "two": ("32", "31"), "any": ()}
    file.write_text("[aggregation]\n")
    assert load(file).aggregation.believed is None
