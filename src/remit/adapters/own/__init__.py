"""Remit's own tools, offered at the door beside all others: working state, pointers to it, and memory."""

from remit.adapters.own.definitions import OWN_SOURCE, TOOLS
from remit.adapters.own.transport import OwnTransport

__all__ = ["OWN_SOURCE", "TOOLS", "OwnTransport"]
