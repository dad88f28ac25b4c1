"""Remit: the control plane and runtime for fleets of AI agents in a company."""

__version__ = "0.1.0"
