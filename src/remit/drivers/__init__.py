"""Drivers keep missions moving; the ledger, not the driver, is the truth."""

from remit.drivers.embedded import EmbeddedDriver

__all__ = ["EmbeddedDriver"]
