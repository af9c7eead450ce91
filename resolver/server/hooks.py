"""What plugins add to a process that answers: found by the place that an option names."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from typing import Any

from csid.errors import CsidError
from resolver.answer.source import NO_STAGES, Stages

OPTION = "--hooks"


class HooksError(CsidError):
    """There are no hooks at a place."""


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add `--hooks MODULE:FUNCTION ARGUMENT`, which may come many times."""
    parser.add_argument(
        OPTION,
        nargs=2,
        action="append",
        default=[],
        metavar=("PLACE", "ARGUMENT"),
        help="a function of one text that gives the stages of plugins",
    )


def stages_of(arguments: argparse.Namespace) -> Stages:
    """All that the options name, one behind the other.

    Raises:
        CsidError: there is nothing at a place, or what is there cannot give them.
    """
    stages = NO_STAGES
    for place, argument in arguments.hooks:
        stages = together(stages, function_at(place)(argument))
    return stages


def function_at(place: str) -> Callable[[Any], Stages]:
    """The function that `module:function` names.

    Raises:
        HooksError: there is none, or its module cannot be loaded.
    """
    module, _, name = place.partition(":")
    try:
        found: Callable[[Any], Stages] = getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever somebody's module does
        said = f"hooks {place} cannot be loaded: {type(error).__name__}: {error}"
        raise HooksError(said) from error
    return found


def together(one: Stages, other: Stages) -> Stages:
    """The stages of both, those of the first before those of the other."""
    return Stages(
        one.admit + other.admit,
        one.shape + other.shape,
        one.check + other.check,
        one.observe + other.observe,
    )
