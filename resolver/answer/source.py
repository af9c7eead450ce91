"""Where answers come from, and what others may do on their way: the seams of the answer path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mypy_extensions import mypyc_attr

from resolver.answer.reply import Reply


@mypyc_attr(allow_interpreted_subclasses=True)
class Source:
    """What can fill a reply: the resolution tree, and whatever else may come to hold answers."""

    def resolve(self, reply: Reply) -> bool:
        """Fill a reply that `asks`.

        Returns:
            False if the answer is pending: the source has taken the reply over and nothing is sent
            for it now; once filled, `Answerer.finish` makes its message.
        """
        raise NotImplementedError


class Stages(NamedTuple):
    """What plugins add, in the order they are to be called; there are these four stages only.

    Attributes:
        admit: before a source is asked. Setting the rcode of the reply refuses the query.
        shape: once a source has filled the reply, whose `name` is then the final one, behind all
            aliases; before anything is encoded. What is refused here must be `clear`ed.
        check: before a change of the registry is written, called with what the registry says and
            the change; gives why it must not be, or nothing.
        observe: after an answer is made, or a change written; told what happened.
    """

    admit: tuple[Callable[[Reply], None], ...] = ()
    shape: tuple[Callable[[Reply], None], ...] = ()
    check: tuple[Callable[[Any, Any], str], ...] = ()
    observe: tuple[Callable[[Any], None], ...] = ()
