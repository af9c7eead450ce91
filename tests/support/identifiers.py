"""Hypothesis strategies for valid compute identifiers, over the real tables."""

from __future__ import annotations

from hypothesis import strategies as st

from csid import check, codes, scheme
from csid.identifier import Identifier, make

_GB = check.GB32100_ALPHABET
PRINTED = (
    "91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY",
    "91350100M000100Y43/6450/110108/ACB/H71M10N4-A100-I4",
    "X00000000000000015/0000/640502/GCV/G15M05X6-7-K0",
    "N2110101MF00000012/0111/USNYC/SCP/D90M20S1-ZZ9-OA",
)


def _with_check(body: str) -> str:
    return body + check.gb32100_check(body)


def _type_parts() -> list[str]:
    return [part.characters for part in scheme.load().segment("type").forms[0].parts]


owners = st.one_of(
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from("123456789ANY"),
        st.sampled_from(_GB),
        st.text("0123456789", min_size=6, max_size=6),
        st.text(_GB, min_size=9, max_size=9),
    ),
    st.text(_GB, min_size=16, max_size=16).map("X{}".format),
).map(_with_check)
industries = st.sampled_from([code for code in codes.industries() if len(code) == 4])
locations = st.one_of(
    st.sampled_from(list(codes.divisions())),
    st.builds(
        "{}{}".format,
        st.sampled_from([code for code in codes.countries() if code != "CN"]),
        st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ23456789", min_size=3, max_size=3),
    ),
)
types = st.tuples(*(st.sampled_from(letters) for letters in _type_parts())).map("".join)
capabilities = st.builds(
    "{}{:02d}M{:02d}{}".format,
    st.sampled_from("DSHBENG"),
    st.integers(0, 99),
    st.integers(0, 99),
    st.sampled_from(list(codes.chip_families())),
)
serials = st.text(check.BASE36, min_size=1, max_size=12)


def identifiers() -> st.SearchStrategy[Identifier]:
    """Valid identifiers of every form."""
    return st.builds(make, owners, industries, locations, types, capabilities, serials)
