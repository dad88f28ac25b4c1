"""The OpenAI-compatible endpoint: language models for agents in any framework, through the door.

An agent changes two settings, the base address and the key, which is its token. Each request holds its worst case,
passes grants, policy and budget, and leaves intent and outcome on record, as every call does.
"""

from remit.api.models.endpoint import ModelsEndpoint
from remit.api.models.entering import Entered, Enters

__all__ = ["Entered", "Enters", "ModelsEndpoint"]
