"""A SOAP service that keeps orders: its WSDL in two documents, and answers made by hand from what it is asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

from lxml import etree
from tests.adapters.egress.wire import Asked, answer

from remit.adapters.egress import EgressClient, EgressTransport, Injector
from remit.adapters.soap import SoapTransport
from remit.registry import Network, SoapSource

NS = "urn:acme:orders"
_ENV = {"1.1": "http://schemas.xmlsoap.org/soap/envelope/", "1.2": "http://www.w3.org/2003/05/soap-envelope"}
_MEDIA = {"1.1": "text/xml; charset=utf-8", "1.2": "application/soap+xml; charset=utf-8"}
SCHEMA = f"""<?xml version="1.0"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:o="{NS}" targetNamespace="{NS}"
           elementFormDefault="qualified">
  <xs:simpleType name="Currency"><xs:restriction base="xs:string">
    <xs:enumeration value="EUR"/><xs:enumeration value="CHF"/></xs:restriction></xs:simpleType>
  <xs:complexType name="Line"><xs:sequence>
    <xs:element name="article" type="xs:string"/>
    <xs:element name="count" type="xs:unsignedByte"/>
    <xs:element name="price" type="xs:decimal"/>
    <xs:element name="part" type="o:Line" minOccurs="0" maxOccurs="unbounded"/></xs:sequence>
    <xs:attribute name="unit" type="xs:string" use="required"/></xs:complexType>
  <xs:element name="PlaceOrder"><xs:complexType><xs:sequence>
    <xs:element name="vendor" type="xs:string"/>
    <xs:element name="due" type="xs:date"/>
    <xs:element name="currency" type="o:Currency"/>
    <xs:element name="urgent" type="xs:boolean" minOccurs="0"/>
    <xs:element name="scan" type="xs:base64Binary" minOccurs="0"/>
    <xs:choice><xs:element name="iban" type="xs:string"/><xs:element name="cash" type="xs:boolean"/></xs:choice>
    <xs:element name="line" type="o:Line" maxOccurs="3"/></xs:sequence></xs:complexType></xs:element>
  <xs:element name="PlaceOrderResponse"><xs:complexType><xs:sequence>
    <xs:element name="number" type="xs:long"/>
    <xs:element name="total" type="xs:decimal"/>
    <xs:element name="due" type="xs:date"/>
    <xs:element name="line" type="o:Line" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
  </xs:element>
  <xs:element name="Anything"><xs:complexType><xs:sequence>
    <xs:any processContents="lax"/></xs:sequence></xs:complexType></xs:element>
</xs:schema>"""


def wsdl(url: str, *, soap: str = "1.1", schema: str = "orders.xsd", head: str = "") -> str:
    binding = {"1.1": "http://schemas.xmlsoap.org/wsdl/soap/", "1.2": "http://schemas.xmlsoap.org/wsdl/soap12/"}[soap]
    return f"""<?xml version="1.0"?>{head}
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="{binding}" xmlns:o="{NS}" targetNamespace="{NS}"
             xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <types><xs:schema><xs:import namespace="{NS}" schemaLocation="{schema}"/></xs:schema></types>
  <message name="PlaceOrder"><part name="parameters" element="o:PlaceOrder"/></message>
  <message name="PlaceOrderResponse"><part name="parameters" element="o:PlaceOrderResponse"/></message>
  <message name="Anything"><part name="parameters" element="o:Anything"/></message>
  <portType name="Orders">
    <operation name="PlaceOrder"><documentation>Place an order with a vendor.</documentation>
      <input message="o:PlaceOrder"/><output message="o:PlaceOrderResponse"/></operation>
    <operation name="Anything"><input message="o:Anything"/><output message="o:PlaceOrderResponse"/></operation>
  </portType>
  <binding name="Orders" type="o:Orders">
    <s:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="PlaceOrder"><s:operation soapAction="{NS}:place"/>
      <input><s:body use="literal"/></input><output><s:body use="literal"/></output></operation>
    <operation name="Anything"><s:operation soapAction="{NS}:any"/>
      <input><s:body use="literal"/></input><output><s:body use="literal"/></output></operation>
  </binding>
  <service name="Orders"><port name="Orders" binding="o:Orders"><s:address location="{url}"/></port></service>
</definitions>"""


def enveloped(body: str, *, soap: str = "1.1", status: int = 200) -> bytes:
    text = f'<e:Envelope xmlns:e="{_ENV[soap]}" xmlns:o="{NS}"><e:Body>{body}</e:Body></e:Envelope>'
    return answer(status, text.encode(), content_type=_MEDIA[soap])


def fault(message: str, *, soap: str = "1.1") -> bytes:
    if soap == "1.1":
        body = f"<e:Fault><faultcode>e:Client</faultcode><faultstring>{message}</faultstring></e:Fault>"
    else:
        body = (
            "<e:Fault><e:Code><e:Value>e:Sender</e:Value></e:Code>"
            f'<e:Reason><e:Text xml:lang="en">{message}</e:Text></e:Reason></e:Fault>'
        )
    return enveloped(body, soap=soap, status=500)


class Orders:
    """The service: give its `handle` to a wire."""

    def __init__(self, *, soap: str = "1.1", documents: dict[str, str] | None = None) -> None:
        self.soap = soap
        self.documents = documents or {}
        #: What is answered in place of the service's own answer.
        self.instead: bytes | None = None
        self.asked: list[Asked] = []
        #: Set when a vendor who takes for ever need not wait any more.
        self.released = threading.Event()

    def handle(self, asked: Asked) -> bytes:
        if asked.method == "GET":
            return self._document(asked)
        return self.instead if self.instead is not None else self._ordered(asked)

    def _document(self, asked: Asked) -> bytes:
        url = f"http://{asked.headers['host']}/orders"
        known = {"/orders": wsdl(url, soap=self.soap), "/orders.xsd": SCHEMA} | self.documents
        found = known.get(asked.path)
        return answer(404) if found is None else answer(200, found.encode(), content_type="text/xml")

    def _ordered(self, asked: Asked) -> bytes:
        order = etree.fromstring(asked.body).find(f".//{{{NS}}}PlaceOrder")
        if order.findtext(f"{{{NS}}}vendor") == "unknown":
            return fault("no such vendor", soap=self.soap)
        if order.findtext(f"{{{NS}}}vendor") == "slow":
            self.released.wait(30)
        lines = order.findall(f"{{{NS}}}line")
        total = sum(int(line.findtext(f"{{{NS}}}count")) * float(line.findtext(f"{{{NS}}}price")) for line in lines)
        echoed = "".join(etree.tostring(line, encoding="unicode") for line in lines)
        due = order.findtext(f"{{{NS}}}due")
        body = (
            f"<o:PlaceOrderResponse><o:number>4711</o:number><o:total>{total:.2f}</o:total><o:due>{due}</o:due>"
            f"{echoed}</o:PlaceOrderResponse>"
        )
        return enveloped(body, soap=self.soap)


@contextmanager
def serving(service: Orders) -> Iterator[str]:
    """The address of the service on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body, None)
            service.asked.append(asked)
            self.wfile.write(service.handle(asked))

        do_GET = do_POST = _handle  # noqa: N815 - names that the standard library asks for

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            service.released.set()
            server.shutdown()
            thread.join()


ORDER = {
    "vendor": "Kranich",
    "due": "2026-03-01",
    "currency": "EUR",
    "iban": "DE01",
    "line": [{"article": "bolt", "count": 2, "price": "1.25", "unit": "kg"}],
}


def a_transport(place: str, *, injector: Injector | None = None, **declared: str) -> SoapTransport:
    """A transport that may reach loopback."""
    network = Network((ip_network("127.0.0.1/32"),))
    client = EgressClient(EgressTransport(network, injector=injector))
    bare = EgressClient(EgressTransport(network))
    return SoapTransport("orders", SoapSource(place, **declared), client, bare, folder="")
