"""A resource as it stands in the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.errors import StoreCorrupted
from remit.resources import content_hash

#: The table of the store that holds resources.
TABLE = "resource"


@dataclass(frozen=True, slots=True)
class StoredResource:
    """An applied document: its fields as they were written, prompts with their text."""

    kind: str
    name: str
    fields: Mapping[str, Any]
    #: Base name of the file that it came from.
    file: str = ""
    #: True where the file was a bare `policy:` document.
    bare: bool = False
    #: Microseconds since 1970-01-01 UTC; None before it is applied.
    applied_at_us: int | None = None

    @property
    def key(self) -> str:
        """`KIND/NAME`; for an agent `Agent/NAME@VERSION`."""
        return resource_key(self.kind, self.name, self.fields)

    @property
    def hash(self) -> str:
        """The hash of the fields."""
        return content_hash(self.fields)

    def to_json(self) -> dict[str, Any]:
        """The document as it stands in the store."""
        return {
            "kind": self.kind,
            "name": self.name,
            "fields": dict(self.fields),
            "hash": self.hash,
            "file": self.file,
            "bare": self.bare,
            "applied_at_us": self.applied_at_us,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "StoredResource":
        """Read a document back from the store.

        Raises:
            StoreCorrupted: its fields do not give the hash that was stored with them.
        """
        stored = cls(
            value["kind"], value["name"], value["fields"], value["file"], value["bare"], value["applied_at_us"]
        )
        if stored.hash != value["hash"]:
            raise StoreCorrupted(f"Resource {stored.key} does not give its recorded hash.")
        return stored


def resource_key(kind: str, name: str, fields: Mapping[str, Any]) -> str:
    """`KIND/NAME`; for an agent `Agent/NAME@VERSION`."""
    return f"{kind}/{name}@{fields.get('version')}" if kind == "Agent" else f"{kind}/{name}"
