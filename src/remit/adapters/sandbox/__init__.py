"""Walls around processes that Remit starts: resource limits, death with the parent, and bubblewrap where it works."""

from remit.adapters.sandbox.bubblewrap import available, wrapped
from remit.adapters.sandbox.launcher import Limits, launch_command

__all__ = ["Limits", "available", "launch_command", "wrapped"]
