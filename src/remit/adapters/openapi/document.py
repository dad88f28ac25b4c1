"""An OpenAPI document: read within bounds, its references followed within itself."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import orjson
import yaml

from remit.errors import InvalidResource

_REFERENCES_MAX = 20
_VERSIONS = ("3.0.", "3.1.")


class Document:
    """A description of a service."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        """Take the document.

        Raises:
            InvalidResource: it is no OpenAPI document of a version that is known.
        """
        version = str(root.get("openapi") or root.get("swagger") or "none")
        if not version.startswith(_VERSIONS):
            raise InvalidResource(f"The document's version of OpenAPI is {version[:20]}; 3.0 and 3.1 are known.")
        self.root = root
        #: Its schemas are those of JSON Schema 2020-12; else they are OpenAPI's own.
        self.is_3_1 = version.startswith("3.1.")

    @classmethod
    def read(cls, text: bytes) -> "Document":
        """The document in JSON or YAML.

        Raises:
            InvalidResource: it is neither, or no OpenAPI document.
        """
        try:
            root = orjson.loads(text)
        except orjson.JSONDecodeError:
            root = _yaml(text)
        if not isinstance(root, dict):
            raise InvalidResource("The description of the service is no OpenAPI document.")
        return cls(root)

    def at(self, reference: str) -> Any:
        """What a reference within the document leads to.

        Raises:
            InvalidResource: it leads out of the document, or nowhere.
        """
        if not reference.startswith("#/"):
            raise InvalidResource(f"The reference {reference[:80]!r} leads out of the document; nothing is fetched.")
        found: Any = self.root
        for part in reference[2:].split("/"):
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and key.isdigit() and int(key) < len(found):
                found = found[int(key)]
            elif isinstance(found, dict) and key in found:
                found = found[key]
            else:
                raise InvalidResource(f"The reference {reference[:80]!r} leads nowhere.")
        return found

    def resolved(self, value: Any) -> dict[str, Any]:
        """An object of the description itself, in place of a reference to it.

        Raises:
            InvalidResource: the references go in a circle, lead nowhere, or to no object.
        """
        for _ in range(_REFERENCES_MAX):
            if not isinstance(value, dict):
                raise InvalidResource("The document has something else where an object of OpenAPI should stand.")
            reference = value.get("$ref")
            if not isinstance(reference, str):
                return value
            value = self.at(reference)
        raise InvalidResource(f"The reference {str(value.get('$ref'))[:80]!r} leads in a circle.")

    @property
    def server(self) -> str:
        """The address of its first server, variables filled in with their defaults; empty where there is none."""
        servers = self.root.get("servers")
        if not isinstance(servers, list) or not servers or not isinstance(servers[0], dict):
            return ""
        address = str(servers[0].get("url") or "")
        variables = servers[0].get("variables")
        for name, variable in variables.items() if isinstance(variables, dict) else ():
            if isinstance(variable, dict):
                address = address.replace(f"{{{name}}}", str(variable.get("default", "")))
        return address


def _yaml(text: bytes) -> Any:
    try:
        # Aliases would let a short text stand for an endless document.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.CSafeLoader)):
            raise InvalidResource("The document uses aliases of YAML, which are not read.")
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InvalidResource("The description of the service is neither JSON nor YAML.") from None
