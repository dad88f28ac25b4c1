"""`soap:` of a tool source: a service that describes itself by a WSDL."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, StrictStr

from remit.registry.schemas import Document, worded

_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s#]*)?")
Name = Annotated[StrictStr, worded(r"[A-Za-z_][\w.-]{0,126}", "a name as it stands in the WSDL")]


def _place(text: str) -> str:
    if "://" in text and not _URL.fullmatch(text):
        raise ValueError("expected an address such as https://erp.example.com/orders?wsdl, or the path of a file")
    return text


def _url(text: str) -> str:
    if not _URL.fullmatch(text):
        raise ValueError("expected an address such as https://erp.example.com/orders")
    return text


class SoapDocument(Document):
    """A service that describes itself by a WSDL."""

    wsdl: Annotated[StrictStr, AfterValidator(_place)] = Field(
        description="Address of the WSDL, or its file (a path from the home); what it imports must stand at the same "
        "host, or in the same folder.",
        min_length=1,
    )
    endpoint: Annotated[StrictStr, AfterValidator(_url)] | None = Field(
        None,
        description="Where calls are sent; where not written, the WSDL's own address, if it is at the WSDL's host.",
    )
    service: Name | None = Field(None, description="The service in the WSDL; its first where not written.")
    port: Name | None = Field(None, description="The port of the service; its first of SOAP where not written.")


@dataclass(frozen=True, slots=True)
class SoapSource:
    """A SOAP service as its declaration describes it."""

    #: Address or path.
    wsdl: str
    #: None: the address that the WSDL names.
    endpoint: str | None = None
    service: str | None = None
    port: str | None = None


def soap_source(document: SoapDocument) -> SoapSource:
    """The document as the rest of Remit sees it."""
    return SoapSource(document.wsdl, document.endpoint, document.service, document.port)
