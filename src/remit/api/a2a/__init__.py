"""Agents of this home for agents elsewhere, over A2A 1.0: a card for each, and its skills as tasks.

A message becomes a mission of its own, on the leave of the agent that sent it. The public library reads and writes the
wire; it is imported with the first request, not before.
"""

from remit.api.a2a.endpoint import PREFIX, A2aEndpoint

__all__ = ["PREFIX", "A2aEndpoint"]
