"""Answers while the server is watched: what metrics, rate limits and dnstap add to CPU per query,
beside what dnstap adds to Knot and BIND.

Run from the checkout: `python -m benchmarks.bench_watched [--rounds N] [--sets hits,mix] [--keep]`.
Each server is asked plainly and watched, in turns. All its processes count, the one that tells
Prometheus among them; the reader of dnstap does not, and what it took is said beside. It runs on
the core of the server: on that of the load it would make the load weaker, and batches smaller.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import product
from pathlib import Path
from typing import NamedTuple

from benchmarks.data import Data, build
from benchmarks.load import WINDOW
from benchmarks.measure import WARM, Figures, load, median_of, progress
from benchmarks.peers import FIRST_PORT, Bind, Knot, Ours
from benchmarks.processes import cpu_seconds
from benchmarks.report import Report, Rows, middle, number, ratio
from benchmarks.server import SERVER_CORE, Peer, PeerError

READER = "fstrm_capture"
CONTENT_TYPE = "protobuf:dnstap.Dnstap"
READER_SECONDS = 5.0  # for it to listen, and to end
SCRAPE_SECONDS = 1.0  # between two scrapes
METRICS_PORT = FIRST_PORT + 90
MOST_A_SECOND = 1_000_000  # of the rate limit: accounts are kept, nothing is held back
LIGHT = 8  # questions unanswered at most, where the server has hardly anything to do at a time
CONTROL_FRAMES = 2  # that the reader writes itself: the beginning and the end


class Tapped(NamedTuple):
    """What a reader has taken: frames, and its CPU seconds."""

    frames: int
    cpu_seconds: float


class Watched(Ours):
    """Our server with a configuration."""

    configuration = ""

    @property
    def directory(self) -> Path:
        """A data directory of its own: all run at the same time."""
        return self.folder.parent / f"{self.folder.name}-data"

    def files(self) -> dict[str, str]:
        return {"csid.toml": self.configuration.format(tap=tap_of(self), port=METRICS_PORT)}

    def command(self) -> Sequence[str | Path]:
        return [*super().command(), "--config", self.folder / "csid.toml"]


class Scraped(Watched):
    name = "ours-scraped"
    configuration = '[metrics]\nlisten = ["127.0.0.1:{port}"]\n'


class Limited(Watched):
    name = "ours-limited"
    configuration = f"[rate-limit]\nper-second = {MOST_A_SECOND}\n"


class OursTapped(Watched):
    name = "ours-dnstap"
    configuration = '[dnstap]\nto = "unix:{tap}"\n'


class KnotTapped(Knot):
    name = "knot-dnstap"

    def files(self) -> dict[str, str]:
        module = f'mod-dnstap:\n  - id: tap\n    sink: "unix:{tap_of(self)}"\n'
        module += "    log-queries: on\n    log-responses: on\ntemplate:\n"
        used = "  - id: default\n    global-module: mod-dnstap/tap\n"
        return {
            name: text.replace("template:\n", module).replace("  - id: default\n", used)
            for name, text in super().files().items()
        }


class BindTapped(Bind):
    name = "bind-dnstap"

    def files(self) -> dict[str, str]:
        options = f'options {{\n  dnstap {{ auth; }};\n  dnstap-output unix "{tap_of(self)}";'
        return {
            name: text.replace("options {", options, 1) for name, text in super().files().items()
        }


# Each group begins with the server that nobody watches.
GROUPS: dict[str, tuple[type[Peer], ...]] = {
    "ours": (Ours, Scraped, Limited, OursTapped),
    "knot": (Knot, KnotTapped),
    "bind": (Bind, BindTapped),
}
TAPPED = (OursTapped, KnotTapped, BindTapped)


def tap_of(peer: Peer) -> Path:
    """Where the reader of a server listens."""
    return peer.folder / "tap.sock"


@contextmanager
def reading(path: Path, found: list[Tapped]) -> Iterator[None]:
    """A reader that takes all and keeps nothing; what it took, once it has ended."""
    path.unlink(missing_ok=True)
    words = [READER, "-t", CONTENT_TYPE, "-u", path, "-w", os.devnull, "-dddd"]
    reader = subprocess.Popen(
        ["taskset", "-c", str(SERVER_CORE), *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + READER_SECONDS
        while not path.exists():
            if reader.poll() is not None or time.monotonic() > deadline:
                raise PeerError(f"{READER} does not listen at {path}")
            time.sleep(0.01)
        yield
    finally:
        cpu = 0.0
        with contextlib.suppress(OSError):  # it has ended, and left nothing to be asked for
            cpu = cpu_seconds([reader.pid])
        reader.send_signal(signal.SIGTERM)
        said = reader.communicate(timeout=READER_SECONDS)[1]
    match = re.search(r"wrote (\d+) frames", said)
    if not match:
        raise PeerError(f"{READER} does not say how many frames it took: {said[-500:]}")
    found.append(Tapped(int(match[1]) - CONTROL_FRAMES, cpu))


@contextmanager
def scraping(url: str) -> Iterator[None]:
    """Somebody who asks for the metrics again and again."""
    ended = threading.Event()
    scrapes = 0

    def scrape() -> None:
        nonlocal scrapes
        while not ended.wait(SCRAPE_SECONDS):
            with urllib.request.urlopen(url) as answer:
                scrapes += b"csid_" in answer.read()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if not scrapes:
        raise PeerError(f"{url} was never read")


class Group:
    """A server in all its kinds, running at the same time and asked by turns.

    Attributes:
        slices: what the slices of each showed, by label.
        asked: answers that each gave, with those outside the slices.
        taken: what the readers took.
    """

    def __init__(self, peers: Sequence[Peer]) -> None:
        self.peers = peers
        self.slices: dict[str, list[Figures]] = {peer.label: [] for peer in peers}
        self.asked: dict[str, int] = {peer.label: 0 for peer in peers}
        self.taken: dict[str, list[Tapped]] = {peer.label: [] for peer in peers}

    def run(self, questions: str, window: int, rounds: int, seconds: float) -> None:
        """Take the slices; one of each server a round."""
        with contextlib.ExitStack() as stack:
            for peer in self.peers:
                if isinstance(peer, TAPPED):
                    stack.enter_context(reading(tap_of(peer), self.taken[peer.label]))
                stack.enter_context(peer.started())
                self._ask(peer, questions, WARM, window)
            for turn in range(rounds):
                progress(f"{questions}, {self.peers[0].label}: round {turn + 1} of {rounds}")
                for peer in self.peers:
                    figures = self._ask(peer, questions, seconds, window)
                    self.slices[peer.label].append(figures)

    def _ask(self, peer: Peer, questions: str, seconds: float, window: int) -> Figures:
        watch: AbstractContextManager[None] = nullcontext()
        if isinstance(peer, Scraped) and seconds > SCRAPE_SECONDS:
            watch = scraping(f"http://127.0.0.1:{METRICS_PORT}/metrics")
        with watch:
            figures = load(peer, questions, seconds, warm=0, window=window)
        self.asked[peer.label] += figures["answers"]
        return figures

    def rows(self) -> Rows:
        """A server a row, beside what it costs unwatched, slice by slice."""
        plain = self.slices[self.peers[0].label]
        return [self._row(peer.label, self.slices[peer.label], plain) for peer in self.peers]

    def _row(self, label: str, made: Sequence[Figures], plain: Sequence[Figures]) -> list[str]:
        figure = "server_cpu_us"
        ratios = [one[figure] / other[figure] for one, other in zip(made, plain, strict=True)]
        row = [label, number(median_of(made, figure)), ratio(middle(ratios), 1.0)]
        row += [number(median_of(made, "rate"), 0), f"{median_of(made, 'server_busy') or 0:.0%}"]
        if not self.taken[label]:
            return [*row, "–", "–"]
        (taken,), answers = self.taken[label], self.asked[label]
        lost = max(0.0, 1 - taken.frames / (2 * answers))
        return [*row, f"{lost:.3%}", number(taken.cpu_seconds / answers * 1e6)]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.5, help="of a slice")
    parser.add_argument("--sets", default="hits,mix", help="of questions")
    parser.add_argument("--windows", default=f"{WINDOW},{LIGHT}", help="questions unanswered")
    parser.add_argument("--servers", default=",".join(GROUPS))
    parser.add_argument("--work", type=Path, default=cache / "csid-bench")
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    options = parser.parse_args(words)
    kept = {name: getattr(options, name) for name in ("names", "rounds", "seconds")}
    report = Report("watched", kept)
    heads = ["server", "CPU µs/query", "× unwatched", "queries/s", "busy"]
    heads += ["frames lost", "reader µs/query"]
    data = build(options.work.resolve(), options.names)
    windows = [int(window) for window in options.windows.split(",")]
    for questions, window in product(options.sets.split(","), windows):
        rows: Rows = []
        for name in options.servers.split(","):
            group = Group(prepared(GROUPS[name], data))
            group.run(questions, window, options.rounds, options.seconds)
            report.raw[f"{questions}, {window}, {name}"] = group.slices
            rows += group.rows()
        title = f"{questions}, at most {window} unanswered, {options.names:,} names"
        report.add(title, heads, rows)
    if options.keep:
        report.write()
    return 0


def prepared(kinds: Sequence[type[Peer]], data: Data) -> list[Peer]:
    """The servers of a group, loaded; none if the first cannot be run here, which is said."""
    peers = []
    for kind in kinds:
        reason = kind.missing()
        if reason:
            progress(f"{kind.name} left out: {reason}")
            continue
        peer = kind(data, data.folder.parent, FIRST_PORT + 60 + len(peers))
        peer.prepare()
        peers.append(peer)
    return peers


if __name__ == "__main__":
    sys.exit(main())
