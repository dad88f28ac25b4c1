"""What stands around an agent on this machine and leads past the door: names of secrets, files, routes, connections.

Only looked at, never tried; of a secret its name is told and nothing else.
"""

from remit.adapters.surroundings.look import around, beside
from remit.adapters.surroundings.processes import agents_of

__all__ = ["agents_of", "around", "beside"]
