"""`a2a:` of a tool source: an agent elsewhere that describes itself by an A2A agent card."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StrictStr

from remit.registry.schemas import Document, worded

_URL = r"https?://[^\s/?#@]+(/[^\s#]*)?"


class A2aDocument(Document):
    """An agent that is reached over A2A 1.0."""

    card: Annotated[
        StrictStr, worded(_URL, "an address such as https://agents.example.com/.well-known/agent-card.json")
    ] = Field(description="Address of the agent's card.")
    endpoint: Annotated[StrictStr, worded(_URL, "an address such as https://agents.example.com/a2a")] | None = Field(
        None, description="Where messages are sent; where not written, the card's own address, if it is at its host."
    )


@dataclass(frozen=True, slots=True)
class A2aSource:
    """An agent elsewhere as its declaration describes it."""

    card: str
    #: None: the address that the card names.
    endpoint: str | None = None


def a2a_source(document: A2aDocument) -> A2aSource:
    """The document as the rest of Remit sees it."""
    return A2aSource(document.card, document.endpoint)
