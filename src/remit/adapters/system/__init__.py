"""The real clock, identifiers made from it, and keys as files. Nothing else in Remit reads the machine's time."""

from remit.adapters.system.clock import SystemClock
from remit.adapters.system.ids import SystemIds
from remit.adapters.system.key_folder import KeyFolder

__all__ = ["KeyFolder", "SystemClock", "SystemIds"]
