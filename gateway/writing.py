"""The writer of a node that knows who may ask: `python -m gateway.writing --config FILE ...`.

It is `registry.writer.process` with the actors of the configuration, which it reads again when the
file has changed: who may act changes without any process being started anew.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from csid.errors import CsidError
from gateway.acting import ConfiguredActors
from gateway.systems.hooks import of_file
from registry.writer.kind import WRITER
from registry.writer.process import parser_of, serve
from resolver.answer.source import NO_STAGES
from resolver.server.kinds import Kind
from resolver.server.notices import tell


def kind_of(file: Path) -> Kind:
    """The kind of process, by a file of the configuration that need not be there yet."""
    return WRITER._replace(module="gateway.writing", options=("--config", str(file.absolute())))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write until SIGTERM."""
    parser = parser_of("gateway.writing")
    parser.add_argument("--config", type=Path, required=True, help="the configuration")
    options = parser.parse_args(arguments)
    try:
        actors = ConfiguredActors(options.config)
        stages = of_file(options.config) if options.config.exists() else NO_STAGES
    except CsidError as error:
        tell(f"writer: {error}", "error", "ended")
        return 1
    return serve(options, actors, stages)


if __name__ == "__main__":
    sys.exit(main())
