"""The way from a sidecar to its control plane, over HTTP."""

from remit.adapters.control.http import HttpLink

__all__ = ["HttpLink"]
