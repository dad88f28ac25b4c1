"""`openapi:` of a tool source: where a REST service is described, and where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Discriminator, Field, StrictStr, StringConstraints, Tag

from remit.registry.reach import Address
from remit.registry.schemas import Document, by_form


class OpenApiDocument(Document):
    """A REST service by its OpenAPI description, 3.0 or 3.1."""

    document: Annotated[
        Annotated[StrictStr, StringConstraints(min_length=1, max_length=2000), Tag("text")]
        | Annotated[dict[str, Any], Tag("fields")],
        Discriminator(by_form),
    ] = Field(description="The description: its address, its file (a path from the home), or the document itself.")
    base_url: Address | None = Field(
        None, description="Where the service stands; the description's first server where not written."
    )


@dataclass(frozen=True, slots=True)
class OpenApi:
    """A REST service by its description."""

    #: An address, a path, or the document itself.
    document: str | Mapping[str, Any]
    base_url: str = ""


def openapi(document: OpenApiDocument | None) -> OpenApi | None:
    """The document as the rest of Remit sees it."""
    return None if document is None else OpenApi(document.document, document.base_url or "")
