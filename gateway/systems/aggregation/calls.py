"""The calls of aggregation: what there is and was, who has said so; what others tell; a word about
what is held back.
"""

from __future__ import annotations

from typing import Final

from csid.errors import CsidError
from gateway.http.problems import Fault, Problem, Reason
from gateway.systems.aggregation import saying, shapes
from gateway.systems.aggregation.asked import AskedError, Judged, Page, When, Where, dimensions
from gateway.systems.aggregation.counting import Counting
from gateway.systems.aggregation.exchange import ExchangeError, Report, StrangerError, shown
from gateway.systems.aggregation.history import BY, HistoryError
from gateway.systems.aggregation.known import Settings
from gateway.systems.aggregation.quarantine import ACCEPTED, REFUSED
from gateway.systems.aggregation.region import Aggregating
from gateway.systems.aggregation.regions import NEIGHBOURS
from gateway.systems.aggregation.tables import BookError
from gateway.systems.contract import Answer, Call

GROUPS_MAX: Final = 2_000  # of one answer


class Unjudged(Reason):
    """Why a word is not taken."""

    OTHER = (409, "待确认变更已不同", "what was shown is not what is held back")


async def sources(state: Aggregating, _: Call) -> Answer:
    """All sources, and how they are."""
    return Answer(await state.in_tables(_sources, state))


def _sources(state: Aggregating) -> shapes.Sources:
    found = [_said(state, one, saying.LISTED_MAX) for one in state.book.sources()]
    return shapes.Sources(found)


async def source(state: Aggregating, call: Call) -> Answer:
    """One source, how it is, and what is held back of it."""
    return Answer(await state.in_tables(_source, state, call.path))


def _source(state: Aggregating, name: str) -> shapes.Source:
    return _said(state, _require_source(state, name), saying.CHANGES_MAX)


def _said(state: Aggregating, one: Settings, most: int) -> shapes.Source:
    book, name = state.book, one.name
    pools, held = book.pools(name).values(), book.held_back(name)
    return saying.source(one, pools, book.polled(name), held, state.now(), most)


async def units(state: Aggregating, call: Call) -> Answer:
    """What a source has said last of its units."""
    page: Page = call.asked
    return Answer(await state.in_tables(_units, state, call.path, page))


def _units(state: Aggregating, name: str, page: Page) -> shapes.Units:
    _require_source(state, name)
    said = state.live.said(name)
    if said is None:
        return shapes.Units(None, None, None, False, 0, [], None)
    return saying.units(said, state.book.pools(name), page, state.now())


async def show_picture(state: Aggregating, call: Call) -> Answer:
    """What there is, and what of it can be had."""
    where: Where = call.asked
    try:
        by = dimensions(where.by)
    except AskedError as error:
        raise Problem(Fault.VALUE, str(error)) from None
    return Answer(await state.in_tables(picture_of, state, by, where.chosen, GROUPS_MAX))


def picture_of(
    state: Aggregating, by: tuple[str, ...], where: dict[str, str], most: int | None = None
) -> shapes.Picture:
    """The picture as it is said.

    Args:
        most: groups; None: all.
    """
    now = state.now()
    counting = Counting(state.counted(now), by, where)
    at = saying.moment(now) or ""
    total = saying.counted(counting.whole(), now)
    items = [saying.counted(one, now) for one in counting.groups(most)] if by else []
    return shapes.Picture(at, total, items, len(counting) - len(items) if by else 0)


async def show_history(state: Aggregating, call: Call) -> Answer:
    """What there was."""
    try:
        return Answer(await state.in_tables(history_of, state, call.asked))
    except (AskedError, HistoryError) as error:
        raise Problem(Fault.VALUE, str(error)) from None


def history_of(state: Aggregating, when: When) -> shapes.Past:
    """The history as it is said.

    Raises:
        AskedError, HistoryError: what is asked for is not there.
    """
    begin, end = when.times(state.now())
    by = dimensions(when.by, BY, len(BY))
    points = state.history.points(begin, end, when.step, by, when.chosen)
    return shapes.Past(when.step, [saying.span(one) for one in points])


async def neighbours(state: Aggregating, _: Call) -> Answer:
    """What is known of other regions: what the nation tells, what they have told here."""
    return Answer(await state.in_tables(_neighbours, state))


def _neighbours(state: Aggregating) -> shapes.Neighbours:
    now, sent = state.now(), state.regions.sent()
    told = map(shown, state.regions.all(NEIGHBOURS, now))
    return shapes.Neighbours(
        state.said.region,
        bool(state.said.upward),
        saying.moment(sent.at),
        sent.why,
        [saying.neighbour(one, now) for one in (*state.regions.shown(now), *told)],
    )


async def exchange(state: Aggregating, call: Call) -> Answer:
    """Take what a region tells of itself, and tell it of the others."""
    report: Report = call.given
    try:
        answer = await state.in_tables(state.take, report, call.caller, state.now())
    except StrangerError as error:
        raise Problem(Fault.FORBIDDEN, str(error)) from None
    except ExchangeError as error:
        raise Problem(Fault.VALUE, str(error)) from None
    return Answer(answer)


async def targets(state: Aggregating, _: Call) -> Answer:
    """What is registered and can be reached, as Prometheus asks for it."""
    return Answer(await state.in_tables(state.registered.targets))


async def accept(state: Aggregating, call: Call) -> Answer:
    """Apply what was shown, once the source says the same again."""
    return await _judge(state, call, ACCEPTED)


async def refuse(state: Aggregating, call: Call) -> Answer:
    """Leave what was shown as it is, until the source says something else."""
    return await _judge(state, call, REFUSED)


async def _judge(state: Aggregating, call: Call, verdict: str) -> Answer:
    given: Judged = call.given
    await state.in_tables(_require_source, state, call.path)
    try:
        held = await state.in_tables(state.book.judge, call.path, verdict, given.shown)
    except BookError as error:
        raise Problem(Unjudged.OTHER, str(error)) from None
    return Answer(saying.held_back(held))


def _require_source(state: Aggregating, name: str) -> Settings:
    try:
        return state.book.source(name)
    except CsidError as error:
        raise Problem(Fault.NO_SUCH_PATH, str(error)) from None
