"""A WSDL and what it imports, fetched before anything reads them: nothing is fetched later."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from lxml import etree

from remit.errors import InvalidResource
from remit.registry.file_at import FILE_HINT

_DOCUMENTS_MAX = 100
_BYTES_MAX = 10 * 1024 * 1024
_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_XSD = "{http://www.w3.org/2001/XMLSchema}"
#: Elements that name another document, and the attribute that says where it stands.
_IMPORTS = {
    f"{_WSDL}import": "location",
    f"{_XSD}import": "schemaLocation",
    f"{_XSD}include": "schemaLocation",
    f"{_XSD}redefine": "schemaLocation",
    f"{_XSD}override": "schemaLocation",
}

#: Gives the content of one address.
Fetch = Callable[[str], Awaitable[bytes]]


class Documents:
    """Every document of a service by its place, and the parts of them that the parser of WSDL does not keep."""

    def __init__(self, root: str, contents: Mapping[str, bytes]) -> None:
        self.root = root
        self._contents = contents
        self.trees = [parsed(content, place) for place, content in contents.items()]

    def load(self, url: str) -> bytes:
        """The content of a document that was fetched, as the parser of WSDL asks for it.

        Raises:
            InvalidResource: it was not, as nothing named it that may.
        """
        content = self._contents.get(str(url))
        if content is None:
            raise InvalidResource(f"The WSDL needs {str(url)[:200]}, which does not stand beside it.")
        return content


async def gathered(root: str, fetch: Fetch | None) -> Documents:
    """The document at `root` with all that it imports.

    Args:
        root: an address, or the path of a file.
        fetch: gives the content of an address; None for files.

    Raises:
        InvalidResource: one is no XML, has a document type, stands elsewhere than the first, or is a file that cannot
            be read, or there are too many.
        ToolUnavailable: one could not be fetched.
    """
    if fetch is None:
        root = str(await asyncio.to_thread(Path(root).resolve))
    contents: dict[str, bytes] = {}
    waiting, size = [root], 0
    while waiting:
        place = waiting.pop()
        if place in contents:
            continue
        _check_place(root, place, remote=fetch is not None)
        content = await fetch(place) if fetch is not None else await asyncio.to_thread(_read, place)
        size += len(content)
        if len(contents) == _DOCUMENTS_MAX or size > _BYTES_MAX:
            raise InvalidResource(
                f"The WSDL has more than {_DOCUMENTS_MAX} documents or {_BYTES_MAX} bytes with what it imports."
            )
        contents[place] = content
        waiting += [_absolute(location, place, remote=fetch is not None) for location in _named(content, place)]
    return Documents(root, contents)


def parsed(content: bytes, place: str) -> etree._Element:
    """The tree of a document that has no document type, and so no entities.

    Raises:
        InvalidResource: it is none.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        tree = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise InvalidResource(f"{place} is no XML ({(error.msg or '')[:100]}).") from None
    if tree.getroottree().docinfo.doctype:
        raise InvalidResource(f"{place} has a document type (DTD), which is not read.")
    return tree


def _named(content: bytes, place: str) -> list[str]:
    tree = parsed(content, place)
    return [found for tag, key in _IMPORTS.items() for node in tree.iter(tag) if (found := node.get(key))]


def _absolute(location: str, base: str, *, remote: bool) -> str:
    if remote or "://" in location:
        return urljoin(base, location)
    return str((Path(base).parent / location).resolve())


def _check_place(root: str, place: str, *, remote: bool) -> None:
    if remote:
        beside = urlsplit(root)[:2] == urlsplit(place)[:2]
    else:
        beside = "://" not in place and Path(place).is_relative_to(Path(root).parent)
    if not beside:
        raise InvalidResource(
            f"The WSDL imports {place[:200]}, which stands elsewhere than {root[:200]}.",
            hint="Keep a copy of all its documents in one folder, and name the WSDL by its path.",
        )


def _read(place: str) -> bytes:
    try:
        with Path(place).open("rb") as file:
            return file.read(_BYTES_MAX + 1)
    except OSError as error:
        told = f"The WSDL's document {place} cannot be read: {error.strerror}."
        raise InvalidResource(told, hint=FILE_HINT) from None
