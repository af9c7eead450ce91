"""Every cap of the system in one place, each with its unit.

A cap exists where a stranger could otherwise choose how much we do: a packet, a zone file, a
connection. Raising one is a decision about memory or time, so it is made here and nowhere else.
"""

from __future__ import annotations

from typing import Final

# Domain names (RFC 1035 section 2.3.4)
MAX_LABEL_OCTETS: Final = 63
MAX_NAME_OCTETS: Final = 255  # wire form, length octets and the root included
MAX_KEY_OCTETS: Final = 511  # what LMDB takes as a key
MAX_NAME_KEY_OCTETS: Final = MAX_KEY_OCTETS - 8  # of a name's key, behind its generation

# Messages
HEADER_OCTETS: Final = 12
MAX_MESSAGE_OCTETS: Final = 65_535  # TCP (RFC 1035 section 4.2.2)
PLAIN_UDP_OCTETS: Final = 512  # without EDNS (RFC 1035 section 4.2.1)
EDNS_UDP_OCTETS: Final = 1_232  # what we send and advertise (DNS flag day 2020)
MAX_CHAIN: Final = 16  # aliases (CNAME, DNAME) followed for one question, to what is behind them
MAX_CHAIN_OCTETS: Final = 4_500  # of aliases in an answer; behind them any RRset fits a TCP message
COMPRESSED_OCTETS: Final = 4_096  # of answer and authority; larger ones are not made to fit
PADDED_OCTETS: Final = 468  # answers over TLS are padded to multiples of it (RFC 8467 section 4.1)
PADDED_QUERY_OCTETS: Final = 128  # and so are queries
MAX_ACTOR_CHARACTERS: Final = 64  # of the name of who acts
MAX_NSID_OCTETS: Final = 128  # so that the longest question with all options fits 512 octets
MAX_OPTIONS: Final = 32  # EDNS options read from one OPT record

# Zone data
MAX_RRSET_RECORDS: Final = 4_096  # resource records in one RRset
MAX_RRSET_OCTETS: Final = 60_000  # so that any RRset fits a TCP message with its question
MAX_TYPES_PER_NAME: Final = 256  # RRsets at one name
MAX_TTL: Final = 2**31 - 1  # seconds (RFC 2181 section 8)
MAX_RDATA_OCTETS: Final = 65_535  # of one record (RFC 1035 section 3.2.1)
MAX_ENTRY_CHARACTERS: Final = 1 << 20  # of one zone file entry, all its lines and spaces
MAX_GENERATED_CHARACTERS: Final = 2_048  # of an owner, and of data, that $GENERATE makes; as BIND

# The store
MAP_OCTETS: Final = 1 << 40  # address space of the data file; it grows only as data comes
MAX_READERS: Final = 2_048  # reader slots: workers, commands, transfers
NODES_PER_COMMIT: Final = 50_000  # tree nodes written in one transaction of a bulk load
REMOVALS_PER_COMMIT: Final = 100_000  # tree nodes removed in one transaction of a sweep
JOURNAL_ENTRIES: Final = 500_000  # serials of one zone that IXFR can go back
JOURNAL_SECONDS: Final = 30 * 86_400  # that it can go back; a secondary expires in less
JOURNAL_OCTETS: Final = 64 << 20  # of the entries of one zone's journal
JOURNAL_ENTRY_NAMES: Final = 100_000  # changed with one serial; more are not noted
JOURNAL_ENTRY_OCTETS: Final = 32 << 20  # of their keys and nodes, before they are deflated
WRITE_WAIT_SECONDS: Final = 30.0  # for others to end what they write
SCRATCH_WRITES: Final = 100_000  # rows written in one transaction of a scratch environment
SCRATCH_OCTETS: Final = 32 << 20  # of these rows
JOURNAL_READ_OCTETS: Final = 128 << 20  # of memory for one difference; a larger one is not given

# Zone transfers
TRANSFER_OCTETS: Final = 16_384  # of a message: as far as a compression pointer reaches
MAX_TRANSFERS: Final = 32  # out at once, small ones not counted
MAX_FIRST_TRANSFERS: Final = 96  # beside which the first one to a peer goes on
MAX_TRANSFERS_PER_PEER: Final = 8  # of them, to one address, of IPv6 one /64
TRANSFER_WAIT_SECONDS: Final = 60.0  # for the turn of a transfer
TRANSFER_STALL_SECONDS: Final = 60.0  # for a peer to take a part of a transfer
TRANSFER_SECONDS: Final = 7_200.0  # for a peer to take all of it
TRANSFER_PATIENCE_SECONDS: Final = 1.0  # waited for a peer before the rest goes into a file
TRANSFER_PART_OCTETS: Final = 262_144  # made before others get their turn
CHANGES_PART_OCTETS: Final = 32_768  # the same of changes, which take longer to be found
SMALL_TRANSFER_STEPS: Final = 1_000  # changes looked through while others wait
MAX_SPOOLED_OCTETS: Final = 8 << 30  # of transfers that wait for slow peers, on disk

# UDP workers
BATCH_PACKETS: Final = 64  # datagrams taken from and given to the kernel at once

# TCP (RFC 7766)
MAX_TCP_CONNECTIONS: Final = 12_000  # in all
MAX_TCP_CONNECTIONS_PER_PEER: Final = (
    12_000  # from one address, of IPv6 one /64; gateways sit behind NAT
)
TCP_IDLE_SECONDS: Final = 10.0  # without a whole query; also told in edns-tcp-keepalive
TCP_SEND_SECONDS: Final = 5.0  # for a peer to take the answers it asked for
TCP_READ_OCTETS: Final = 65_536  # taken from one connection at a time

# The writer of a running node, and those who ask it
MAX_FRAME_OCTETS: Final = 4 << 20  # of one question or answer
MAX_HELD_OCTETS: Final = 64 << 20  # of frames that are not whole yet, of all connections
MAX_WRITER_CONNECTIONS: Final = 4_096  # beyond, the one that was used longest ago has to go
MAX_IN_FLIGHT: Final = 64  # asked on one connection and not answered; more is not read
WRITER_READ_OCTETS: Final = 65_536  # taken from one connection at a time
WRITER_ANSWER_OCTETS: Final = 262_144  # not taken by one connection; it is not read on beyond
WRITER_STALL_SECONDS: Final = 10.0  # for the rest of a frame, and for answers to be taken
REQUESTS_PER_FRAME: Final = 200
REQUESTS_PER_COMMIT: Final = 2_000  # beyond these, what waits is left to the next commit
MAX_FORWARDED: Final = 1_024  # UPDATEs handed to the writer by one process and not answered
MAX_FORWARDED_OCTETS: Final = 16 << 20  # of these
FORWARD_SECONDS: Final = 10.0  # for the writer to answer an UPDATE
UPDATES_PER_COMMIT: Final = 64  # about what COMMIT_SECONDS allow; the rest is left to the next
COMMIT_SECONDS: Final = 0.01  # of deciding, after which the rest is left to the next commit

# Transfers in
INCOMING_OCTETS: Final = 8 << 30  # of all messages of one
INCOMING_RECORDS: Final = 100_000_000
INCOMING_MESSAGES: Final = 10_000_000
INTAKE_NODES: Final = 16_000  # written in one transaction; the primary waits meanwhile, Knot 0.5 s
INTAKE_OCTETS: Final = 16 << 20  # of nodes that wait for a commit, or are sorted at once
POINTERS_PER_COMMIT: Final = 2_000  # followed in one transaction for additional records
NODES_PER_LOOK: Final = 10_000  # compared at one moment of the store
IXFR_NAMES: Final = 20_000  # changed by one; beyond, the whole zone is transferred instead
IXFR_RECORDS: Final = 200_000  # in one that is taken
