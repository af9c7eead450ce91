"""All metrics of a node: name, type, meaning, and where their samples come from."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.metrics import samples
from gateway.metrics.samples import SYNC, TCP, WRITER, Source, at, counted, of_process
from gateway.metrics.samples import Labels as Labels
from gateway.metrics.samples import Status as Status


class Family(NamedTuple):
    """A metric with all its samples."""

    name: str
    kind: str  # counter or gauge
    help: str
    samples: Source


_G, _C = "gauge", "counter"
FAMILIES: Final = tuple(
    Family(*row)
    for row in (
        ("csid_up", _G, "Whether a server runs here.", samples.up),
        ("csid_problems", _G, "What csid status finds not well.", samples.problems),
        ("csid_build_info", _G, "Version of program and data.", samples.build),
        (
            "csid_start_time_seconds",
            _G,
            "When the server was started, since 1970.",
            at("server", "started"),
        ),
        # processes
        ("csid_process_up", _G, "Whether a process is ready.", of_process(samples.is_ready)),
        (
            "csid_process_start_time_seconds",
            _G,
            "When a process was started, since 1970.",
            of_process(samples.begun),
        ),
        (
            "csid_process_starts_total",
            _C,
            "How often a process was started, replaced ones included.",
            of_process(samples.starts),
        ),
        (
            "csid_dropped_packets_total",
            _C,
            "Packets that a socket had no room for.",
            of_process(samples.dropped),
        ),
        # answering
        ("csid_queries_total", _C, "Messages taken.", samples.queries),
        ("csid_answers_total", _C, "Answers sent, by response code.", samples.answers),
        ("csid_answers_truncated_total", _C, "Answers that were cut down.", samples.truncated),
        ("csid_answer_bytes_total", _C, "Octets of answers sent.", samples.answer_octets),
        ("csid_messages_total", _C, "What is no plain query, asked.", samples.messages),
        ("csid_rate_limited_total", _C, "Answers held back by the rate limit.", samples.limited),
        ("csid_dnstap_lost_total", _C, "Messages dnstap should have told.", samples.untold),
        # TCP
        ("csid_tcp_connections", _G, "Connections that are open.", counted(TCP, "open")),
        ("csid_tcp_accepted_total", _C, "Connections accepted.", counted(TCP, "accepted")),
        (
            "csid_tcp_refused_total",
            _C,
            "Connections refused, as their peer had its share.",
            counted(TCP, "refused"),
        ),
        (
            "csid_tcp_shed_total",
            _C,
            "Connections ended to make room for others.",
            counted(TCP, "shed"),
        ),
        (
            "csid_tcp_expired_total",
            _C,
            "Connections ended at their deadline.",
            counted(TCP, "expired"),
        ),
        (
            "csid_tcp_failed_total",
            _C,
            "Connections ended by an error of the server.",
            counted(TCP, "failed"),
        ),
        ("csid_tcp_held_bytes", _G, "Octets kept for all connections.", counted(TCP, "held")),
        (
            "csid_transfer_bytes_total",
            _C,
            "Octets of zone transfers sent.",
            counted(TCP, "transferred"),
        ),
        (
            "csid_transfer_spooled_bytes",
            _G,
            "Octets of zone transfers on disk, for slow peers.",
            counted(TCP, "spooled"),
        ),
        # writing and sync
        (
            "csid_writer_requests_total",
            _C,
            "Requests the writer has answered.",
            counted(WRITER, "queries"),
        ),
        (
            "csid_writer_commits_total",
            _C,
            "Transactions of the writer.",
            counted(WRITER, "batches"),
        ),
        ("csid_sync_looks_total", _C, "Looks at zones of other servers.", counted(SYNC, "queries")),
        # the data
        ("csid_store_bytes", _G, "Octets of the map in use.", at("store", "octets")),
        ("csid_store_map_bytes", _G, "Octets of the map.", at("store", "map_octets")),
        ("csid_store_disk_free_bytes", _G, "Octets left on the disk.", at("store", "free_octets")),
        ("csid_store_nodes", _G, "Names in all zones.", at("store", "nodes")),
        ("csid_store_readers", _G, "Reader slots in use.", at("store", "readers")),
        (
            "csid_store_stale_readers",
            _G,
            "Reader slots of processes that died.",
            at("store", "stale_readers"),
        ),
        (
            "csid_store_oldest_reader_behind_commits",
            _G,
            "Commits since the oldest moment that is being read.",
            at("store", "oldest_reader_behind"),
        ),
        ("csid_zones", _G, "Zones held.", at("zones", "count")),
        ("csid_zone_serial", _G, "Serial of the first zones.", samples.serials),
        ("csid_sync_zones", _G, "Zones that follow others, by state.", samples.sync_zones),
        # filing, the log, the registry
        ("csid_filing_cuts", _G, "Cuts that are not filed, up to 10,000.", at("filing", "cuts")),
        (
            "csid_filing_waiting",
            _G,
            "Identifiers without a receipt, up to 10,000.",
            at("filing", "identifiers"),
        ),
        (
            "csid_filing_oldest_timestamp_seconds",
            _G,
            "When the identifier was filed that waits longest, since 1970.",
            samples.oldest_filing,
        ),
        (
            "csid_filing_refused",
            _G,
            "Identifiers that were refused, up to 10,000.",
            at("filing", "refused"),
        ),
        ("csid_log_leaves", _G, "Leaves of the audit log.", at("log", "leaves")),
        (
            "csid_log_covered_leaves",
            _G,
            "Leaves that the last checkpoint covers.",
            at("log", "covered"),
        ),
        (
            "csid_log_uncovered_since_timestamp_seconds",
            _G,
            "Time of the first leaf that no checkpoint covers, since 1970.",
            at("log", "uncovered_since"),
        ),
        ("csid_log_holds", _G, "Whether the last checkpoint holds.", samples.log_holds),
        (
            "csid_registry_compared",
            _G,
            "Identifiers compared with the tree just now.",
            at("registry", "compared"),
        ),
        ("csid_registry_faults", _G, "Those of them that do not agree.", samples.faults),
    )
)
