"""Skills of agents elsewhere, over A2A 1.0.

A skill is a tool: a message goes out, the task that comes of it is followed until it ends, waits or is over time.
Importing this folder does not import the A2A library.
"""

from remit.adapters.a2a.transport import A2aTransport

__all__ = ["A2aTransport"]
