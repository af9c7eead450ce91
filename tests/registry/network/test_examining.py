"""Identifiers examined one beside the other come to what each by itself does, word for word."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from csid.check import mod1271_36_check
from csid.errors import IdentifierError
from csid.identifier import Identifier, default_parser, make, parse
from csid.record import Record, encode
from registry.network.examining import Examiner, examine
from registry.zones.others import Other
from tests.support.identifiers import identifiers
from tests.support.registering import CLASS, OWNER, RECORD

HOLDER = Other("zhejiang", "region", ("33",), "active", ("127.0.0.3",), 5303, 1)
HOLDERS = (
    None,
    HOLDER,
    HOLDER._replace(scope=()),
    HOLDER._replace(scope=("11", "3301")),
    HOLDER._replace(scope=("330106",)),
    HOLDER._replace(state="suspended"),
    HOLDER._replace(role="industry", scope=("64",)),
    HOLDER._replace(role="industry", scope=("65",)),
)
PLACES = [("6450", "330106", "ACV"), ("6450", "330108", "ACV"), ("6510", "330106", "GCV")]
GOOD = [
    str(make(OWNER, *place, CLASS, serial)) for place in PLACES for serial in ("0001", "Z", "7A")
]
RECORDS = [
    encode(RECORD.changed(state="filing")),
    encode(Record({"state": "filing", "endpoints": ["https://a.example:8443"], "vcpu": 8})),
    encode(Record({"state": "filing", "extra": {"zz": 1}})),
    b"",
    b"\x81\xa2st\xa6filing\0",
    b"\x82\xa2ct\xc3\xa2st\xa6filing",  # true, which equals the 1 of another
    b"\x82\xa2ct\x01\xa2st\xa6filing",
    b"\x82\xa2ct\xcb\x3f\xf0\0\0\0\0\0\0\xa2st\xa6filing",
]


@st.composite
def names(draw: st.DrawFn) -> str:
    """Identifiers, and what is one but for a few characters."""
    name = draw(st.one_of(st.sampled_from(GOOD), st.sampled_from(GOOD), identifiers().map(str)))
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
        at = draw(st.integers(0, len(name) - 1))
        name = name[:at] + draw(st.sampled_from("0A1XZ-/.a９")) + name[at + 1 :]
    return name


CODES = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2)  # of chips
filings = st.tuples(names(), st.sampled_from(RECORDS), st.sampled_from(("", "", "it is held")))


@given(
    st.sampled_from(HOLDERS),
    st.sampled_from(("", "", "suspended", "ended")),
    st.lists(filings, min_size=2, max_size=12),
)
@example(HOLDER, "", [(one, RECORDS[0], "") for one in GOOD])
@example(HOLDER, "", [(GOOD[0], one, "") for one in RECORDS])
def test_what_is_beside_others_is_examined_as_if_it_were_alone(
    holder: Other | None, owner: str, given_filings: list[tuple[str, bytes, str]]
) -> None:
    examiner = Examiner(holder, owner)
    for name, record, held in given_filings:
        alone = examine(name, record, holder, owner, held)
        assert examiner.examine(name, record, held) == alone


@given(identifiers(), identifiers(), st.data())
def test_a_specification_is_read_beside_another_as_it_is_in_whole(
    one: Identifier, other: Identifier, data: st.DataObject
) -> None:
    """Behind the same owner, industry, location and type, which are known to be good."""
    text = str(one)
    at = text.rfind("/") + 1
    fitting = str(make(*text.split("/")[:4], other.capability, other.serial))
    unknown = checked(text[:at], f"{other.capability[:6]}{data.draw(CODES)}-{other.serial}-")
    given_spec = data.draw(
        st.sampled_from(
            (
                *(text[at:], fitting[at:], unknown, text[at:].replace("-", "--", 1)),
                *(other.spec, other.spec + "0", other.spec.lower()),
            )
        )
    )
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(given_spec) - 1))
        wrong = data.draw(st.sampled_from("0AZ-/"))
        given_spec = given_spec[:place] + wrong + given_spec[place + 1 :]
    whole = text[:at] + given_spec
    assert default_parser().is_beside(whole, at) == is_canonical(whole)


def checked(place: str, spec: str) -> str:
    """A specification with the check characters that hold."""
    return spec + mod1271_36_check((place + spec).replace("/", "").replace("-", ""))


def is_canonical(text: str) -> bool:
    try:
        return str(parse(text)) == text
    except IdentifierError:
        return False
