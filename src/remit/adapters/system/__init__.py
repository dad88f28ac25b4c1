"""The real clock, and identifiers made from it. Nothing else in Remit reads the machine's time."""

from remit.adapters.system.clock import SystemClock
from remit.adapters.system.ids import SystemIds

__all__ = ["SystemClock", "SystemIds"]
