"""What a door beside an agent and its control plane say to each other: bundles, accounts, and the record sent on.

Both sides check with the same plain functions; nothing here reads a clock, a store or a network.
"""

from remit.sidecars.account import Account, Told
from remit.sidecars.bundle import BundleHead, check_bundle, digest_of, sign_head
from remit.sidecars.freshness import Freshness, Moment, Steady
from remit.sidecars.link import Joined, Link, Pushed
from remit.sidecars.record import Row, Standing, check_rows, mission_of, pack, streams_of, unpack

#: The table of a sidecar's own home that says whose it is, what was pushed to it, and what it holds on lease.
TABLE = "beside"

__all__ = [
    "TABLE",
    "Account",
    "BundleHead",
    "Freshness",
    "Joined",
    "Link",
    "Moment",
    "Pushed",
    "Row",
    "Standing",
    "Steady",
    "Told",
    "check_bundle",
    "check_rows",
    "digest_of",
    "mission_of",
    "pack",
    "sign_head",
    "streams_of",
    "unpack",
]
