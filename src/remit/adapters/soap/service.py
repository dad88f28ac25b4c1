"""A service as its WSDL describes it: requests written, answers read. It reaches nothing by itself."""

import base64
import binascii
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import isodate
import zeep
from lxml import etree
from zeep import exceptions, helpers
from zeep.wsdl.bindings.soap import Soap12Binding, SoapBinding

from remit.adapters.soap.documents import Documents, parsed
from remit.adapters.soap.schema import NotDescribable, SchemaWriter
from remit.errors import EgressRefused, InvalidResource, RemitError
from remit.registry import SoapSource

# Neither has types of its own that a checker could use.
_ZEEP: Any = zeep
_HELPERS: Any = helpers
_log = logging.getLogger(__name__)
_SETTINGS = {"strict": True, "xml_huge_tree": False, "forbid_dtd": True, "forbid_entities": True}
_TOLD_MAX = 500
_ACTION = re.compile(r"[\x21\x23-\x7e]*")
_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent for one call."""

    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """The service's own no."""

    code: str
    message: str


class NotInForm(Exception):
    """The answer is none of this operation's; names no values."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """An HTTP answer as the parser of SOAP asks for it."""

    status_code: int
    content: bytes
    headers: Mapping[str, str]
    encoding: str = "utf-8"


class Service:
    """One port of one service; building and reading block, so they run in threads."""

    def __init__(self, name: str, source: SoapSource, documents: Documents) -> None:
        """Read the WSDL.

        Raises:
            InvalidResource: it cannot be read, or has no such service or port.
            EgressRefused: its address is at another host than the WSDL itself.
        """
        try:
            self._client = _ZEEP.Client(
                documents.root, transport=documents, settings=zeep.Settings(forbid_external=False, **_SETTINGS)
            )
        except RemitError:
            raise
        except Exception as error:  # noqa: BLE001 - a parser on foreign documents: whatever it trips over is no WSDL
            raise InvalidResource(f"The WSDL of {name!r} cannot be read ({type(error).__name__}).") from None
        self._binding: Any
        self._binding, address = self._port(name, source)
        self.url = source.endpoint or _beside(address, documents.root)
        self._described = _documentation(documents)
        self._definitions = self._operations(documents)

    @property
    def definitions(self) -> Sequence[Mapping[str, Any]]:
        """The operations that can be described, as tools."""
        return self._definitions

    def request(self, operation: str, arguments: Mapping[str, Any]) -> Request | None:
        """What is sent for a call; None where there is no such operation.

        Raises:
            ValueError: the arguments cannot be written as the operation's types ask; names no values.
        """
        schema = self._known.get(operation)
        if schema is None:
            return None
        if arguments.keys() - schema["properties"].keys():
            raise ValueError(f"{operation} takes {', '.join(schema['properties']) or 'nothing'}")
        try:
            given = _native(arguments, schema, schema.get("$defs", {}))
            envelope = self._binding.get(operation).create(**given).content
        except Exception as error:  # the writer of foreign types raises what it likes, with values in it
            raise ValueError(f"the arguments cannot be written as {operation} takes them") from error
        content = etree.tostring(envelope, xml_declaration=True, encoding="utf-8")
        return Request(self._headers(self._binding.get(operation)), content)

    def answer(self, operation: str, status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any] | Fault:
        """What the service answered.

        Raises:
            NotInForm: the answer cannot be read.
        """
        if headers.get("content-type", "").partition(";")[0].strip().lower() not in _READ:
            raise NotInForm("it is no XML")
        written = self._binding.get(operation)
        try:
            _check_answer(body, written)
            result = self._binding.process_reply(self._client, written, _Answer(status, body, headers))
        except NotInForm:
            raise
        except exceptions.Fault as fault:
            return _fault(fault, status)
        except Exception as error:  # noqa: BLE001 - the reader of foreign answers raises what it likes
            raise NotInForm(type(error).__name__) from None
        shown = _plain(_HELPERS.serialize_object(result, dict))
        return shown if isinstance(shown, dict) else {} if shown is None else {"result": shown}

    # --- Inside

    def _port(self, name: str, source: SoapSource) -> tuple[SoapBinding, str]:
        services = self._client.wsdl.services
        service = services.get(source.service) if source.service else next(iter(services.values()), None)
        if service is None:
            raise InvalidResource(f"The WSDL of {name!r} has the services {', '.join(services) or 'none'}.")
        ports = {key: port for key, port in service.ports.items() if isinstance(port.binding, SoapBinding)}
        port = ports.get(source.port) if source.port else next(iter(ports.values()), None)
        if port is None:
            raise InvalidResource(f"The service {service.name!r} has the SOAP ports {', '.join(ports) or 'none'}.")
        return port.binding, str(port.binding_options.get("address") or "")

    def _operations(self, documents: Documents) -> list[Mapping[str, Any]]:
        writer = SchemaWriter(documents.trees)
        self._known: dict[str, dict[str, Any]] = {}
        shown: list[Mapping[str, Any]] = []
        for name, operation in sorted(self._binding.all().items()):
            try:
                schema = writer.of_body(operation.input.body)
                _check_action(operation.soapaction or "")
            except NotDescribable as reason:
                _log.warning("operation %s is not offered: %s", name, reason)
                continue
            self._known[name] = schema
            # Where a call goes and what it is called there is part of the tool's pin.
            behind = sha256(f"{self.url} {operation.soapaction}".encode()).hexdigest()
            told = {"description": self._described.get(name, ""), "_meta": {"remit/behind": behind}}
            shown.append({"name": name, "inputSchema": schema, **told})
        return shown

    def _headers(self, operation: Any) -> dict[str, str]:
        action = operation.soapaction or ""
        if isinstance(self._binding, Soap12Binding):
            about = f'; action="{action}"' if action else ""
            return {"Content-Type": f"application/soap+xml; charset=utf-8{about}", "Accept": "application/soap+xml"}
        return {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{action}"', "Accept": "text/xml"}


_READ = frozenset({"text/xml", "application/soap+xml", "application/xml"})


def _beside(address: str, root: str) -> str:
    """The WSDL's own address for calls, where it may be used.

    Raises:
        InvalidResource: the WSDL names none.
        EgressRefused: it leads to another host.
    """
    if not address.startswith(("http://", "https://")):
        raise InvalidResource("The WSDL names no address for calls.", hint="Write `endpoint` in the source.")
    if "://" in root and urlsplit(address)[:2] != urlsplit(root)[:2]:
        raise EgressRefused(
            f"The WSDL at {urlsplit(root).netloc} sends calls to {address[:200]}, another place.",
            hint="If that is right, write it as `endpoint` in the source.",
            rule="endpoint_elsewhere",
        )
    return address


def _check_answer(body: bytes, operation: Any) -> None:
    """The parser takes any element for the one that it expects, and reads nothing in it.

    Raises:
        NotInForm: the answer is no envelope, or holds another element than the operation's and no fault.
    """
    tree = parsed(body, "the answer")
    inner = next((child for child in tree if etree.QName(child).localname == "Body"), None)
    if etree.QName(tree).localname != "Envelope" or inner is None:
        raise NotInForm("it is no envelope")
    expected = getattr(operation.output.body, "qname", None)
    found = next(iter(inner), None)
    if operation.style != "document" or expected is None or found is None:
        return
    if etree.QName(found).localname != "Fault" and found.tag != expected.text:
        raise NotInForm("it holds another element")


def _check_action(action: str) -> None:
    if not _ACTION.fullmatch(action):
        raise NotDescribable("its action is no plain address")


def _documentation(documents: Documents) -> dict[str, str]:
    """What the WSDL says of each operation."""
    told: dict[str, str] = {}
    for tree in documents.trees:
        for operation in tree.iterfind(f".//{_WSDL}portType/{_WSDL}operation"):
            text = " ".join("".join(node.itertext()) for node in operation.findall(f"{_WSDL}documentation"))
            told[operation.get("name", "")] = " ".join(text.split())[:2000]
    return told


def _native(value: Any, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """JSON as the writer takes it: bytes are text in JSON, all else is written as it is."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    if "anyOf" in schema:
        return None if value is None else _native(value, schema["anyOf"][0], definitions)
    if isinstance(value, Mapping):
        known = schema.get("properties", {})
        return {name: _native(inner, known.get(name, {}), definitions) for name, inner in value.items()}
    if isinstance(value, list):
        return [_native(inner, schema.get("items", {}), definitions) for inner in value]
    if schema.get("contentEncoding") == "base64" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error:
            raise ValueError("bytes") from None
    return value


def _plain(value: Any) -> Any:
    """An answer as JSON: decimals, dates and times as text, bytes as base64 text."""
    shown: Any
    match value:
        case None | bool() | str() | int() | float():
            shown = str(value) if isinstance(value, int) and abs(value) >= 2**63 else value
        case Decimal():
            shown = format(value, "f")
        case datetime() | date() | time():
            shown = value.isoformat()
        case timedelta() | isodate.Duration():
            shown = isodate.duration_isoformat(value)
        case bytes():
            shown = base64.b64encode(value).decode("ascii")
        case Mapping():
            shown = {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            shown = [_plain(inner) for inner in value]
        case _:
            shown = etree.tostring(value, encoding="unicode", with_tail=False) if etree.iselement(value) else str(value)
    return shown


def _fault(fault: exceptions.Fault, status: int) -> Fault:
    code = str(fault.code or f"http_{status}").rpartition(":")[2]
    return Fault(code[:100], " ".join(str(fault.message or "").split())[:_TOLD_MAX])
