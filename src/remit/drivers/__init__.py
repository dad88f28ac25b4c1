"""Drivers keep missions moving; the ledger, not the driver, is the truth."""

from remit.drivers.cluster import ClusterDriver, Scheduler, lease_of, session_lease_of
from remit.drivers.counts import WorkerCounts
from remit.drivers.driver import Driver
from remit.drivers.duties import Duties, duty_lease
from remit.drivers.embedded import EmbeddedDriver
from remit.drivers.places import Places
from remit.drivers.presence import Presence
from remit.drivers.turns import Flow, Turns

__all__ = [
    "ClusterDriver",
    "Driver",
    "Duties",
    "EmbeddedDriver",
    "Flow",
    "Places",
    "Presence",
    "Scheduler",
    "Turns",
    "WorkerCounts",
    "duty_lease",
    "lease_of",
    "session_lease_of",
]
