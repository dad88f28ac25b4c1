"""Cross Industry Invoice: the XML inside ZUGFeRD 1.0, Factur-X, ZUGFeRD 2.x and XRechnung, read by local names.

The versions differ in namespaces and in the names of the envelopes; what is inside is named alike. No entity is
resolved, nothing is fetched, and a tree of unreasonable size is refused by the parser.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from lxml import etree

from remit.packs.payables.amounts import amount_text, date_of_xml, decimal_of
from remit.packs.payables.facts import Evidence, Line, one_line

_HEADER = ("HeaderExchangedDocument", "ExchangedDocument")
_CONTEXT = ("SpecifiedExchangedDocumentContext", "ExchangedDocumentContext")
_AGREEMENT = ("ApplicableSupplyChainTradeAgreement", "ApplicableHeaderTradeAgreement")
_SETTLEMENT = ("ApplicableSupplyChainTradeSettlement", "ApplicableHeaderTradeSettlement")
_SUMMATION = ("SpecifiedTradeSettlementMonetarySummation", "SpecifiedTradeSettlementHeaderMonetarySummation")
_LINE_AGREEMENT = ("SpecifiedSupplyChainTradeAgreement", "SpecifiedLineTradeAgreement")
_LINE_DELIVERY = ("SpecifiedSupplyChainTradeDelivery", "SpecifiedLineTradeDelivery")
_LINE_SETTLEMENT = ("SpecifiedSupplyChainTradeSettlement", "SpecifiedLineTradeSettlement")
_LINE_SUMMATION = ("SpecifiedTradeSettlementMonetarySummation", "SpecifiedTradeSettlementLineMonetarySummation")
#: Lines beyond this are not read; the count still tells.
_LINES_MAX = 5_000
#: Lines that head or sum up others and carry no money of their own (BT-X-8, reason codes of the line's status).
_NO_MONEY = frozenset({"INFORMATION", "GROUP"})

#: An element of lxml, which ships no type information.
Element = Any


@dataclass(frozen=True, slots=True)
class TaxShare:
    """One row of the tax breakdown."""

    basis: Decimal | None
    percent: Decimal | None
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Cii:
    """An invoice as its XML states it."""

    profile: str | None
    type_code: str | None
    number: str | None
    date: str | None
    seller: str | None
    seller_vat_id: str | None
    buyer: str | None
    currency: str | None
    order_number: str | None
    contract_number: str | None
    ibans: tuple[str, ...]
    line_total: Decimal | None
    allowances: Decimal | None
    charges: Decimal | None
    net: Decimal | None
    tax: Decimal | None
    grand: Decimal | None
    prepaid: Decimal | None
    due: Decimal | None
    rounding: Decimal | None
    taxes: tuple[TaxShare, ...]
    lines: tuple[Line, ...]
    line_count: int | None
    notes: tuple[str, ...]
    evidence: dict[str, Evidence] = field(default_factory=dict)


def parse_xml(data: bytes) -> Element:
    """The document's root element.

    Raises:
        etree.XMLSyntaxError: the XML is not well-formed, or larger or deeper than the parser's bounds.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    return etree.fromstring(data, parser)


def is_invoice_xml(root: Element) -> bool:
    """True for a Cross Industry Invoice of any version: it has a header and a settlement."""
    return _first(root, _HEADER) is not None and _deep(root, _SETTLEMENT) is not None


def read_cii(root: Element) -> Cii:
    """Everything that matching needs, with the place of each field."""
    header, agreement, settlement = _first(root, _HEADER), _deep(root, _AGREEMENT), _deep(root, _SETTLEMENT)
    total = _first(settlement, _SUMMATION)
    seller, buyer = _at(agreement, "SellerTradeParty"), _at(agreement, "BuyerTradeParty")
    currency = _text(_at(settlement, "InvoiceCurrencyCode"))
    items = [e for e in root.iter() if _name(e) == "IncludedSupplyChainTradeLineItem"]
    places = {
        "invoice_number": _at(header, "ID"),
        "invoice_date": _at(header, "IssueDateTime"),
        "seller_name": _at(seller, "Name"),
        "seller_vat_id": _vat_element(seller),
        "buyer_name": _at(buyer, "Name"),
        "currency": _at(settlement, "InvoiceCurrencyCode"),
        "net_total": _at(total, "TaxBasisTotalAmount"),
        "tax_total": _tax_total(total, currency),
        "grand_total": _at(total, "GrandTotalAmount"),
    }
    iban_elements = [e for e in _all(settlement, "IBANID") if _text(e)]
    if iban_elements:
        places["payee_iban"] = iban_elements[0]
    guideline = _at(_first(root, _CONTEXT), "GuidelineSpecifiedDocumentContextParameter")
    return Cii(
        profile=_text(_at(guideline, "ID")),
        type_code=_text(_at(header, "TypeCode")),
        number=_text(places["invoice_number"]),
        date=date_of_xml(_whole_text(places["invoice_date"])),
        seller=_text(places["seller_name"]),
        seller_vat_id=_text(places["seller_vat_id"]),
        buyer=_text(places["buyer_name"]),
        currency=currency,
        order_number=_reference(agreement, "BuyerOrderReferencedDocument"),
        contract_number=_reference(agreement, "ContractReferencedDocument"),
        ibans=tuple("".join((_text(e) or "").split()) for e in iban_elements),
        line_total=_number(_at(total, "LineTotalAmount")),
        allowances=_number(_at(total, "AllowanceTotalAmount")),
        charges=_number(_at(total, "ChargeTotalAmount")),
        net=_number(places["net_total"]),
        tax=_number(places["tax_total"]),
        grand=_number(places["grand_total"]),
        prepaid=_number(_at(total, "TotalPrepaidAmount")),
        due=_number(_at(total, "DuePayableAmount")),
        rounding=_number(_at(total, "RoundingAmount")),
        taxes=tuple(_taxes(settlement)),
        lines=tuple(_line(item) for item in items[:_LINES_MAX]),
        line_count=len(items) or None,
        notes=tuple(filter(None, (_text(e) for e in _all(header, "Content")))),
        evidence={name: _evidence(element) for name, element in places.items() if element is not None},
    )


def _line(item: Element) -> Line:
    agreement, delivery = _first(item, _LINE_AGREEMENT), _first(item, _LINE_DELIVERY)
    settlement = _first(item, _LINE_SETTLEMENT)
    price = _at(agreement, "NetPriceProductTradePrice")
    quantity = _at(delivery, "BilledQuantity")
    document = _at(item, "AssociatedDocumentLineDocument")
    status = _text(_at(document, "LineStatusReasonCode")) or ""
    total = _number(_at(_first(settlement, _LINE_SUMMATION), "LineTotalAmount"))
    return Line(
        number=_text(_at(document, "LineID")),
        name=_text(_at(_at(item, "SpecifiedTradeProduct"), "Name")),
        quantity=_plain(_number(quantity)),
        unit=None if quantity is None else quantity.get("unitCode"),
        unit_price=_plain(_number(_at(price, "ChargeAmount"))),
        basis_quantity=_plain(_number(_at(price, "BasisQuantity"))),
        adjustments=_plain(_adjustments(settlement)),
        total=amount_text(total),
        tax_percent=_plain(_percent(_at(settlement, "ApplicableTradeTax"))),
        counts=status not in _NO_MONEY and total is not None,
    )


def _adjustments(settlement: Element | None) -> Decimal | None:
    found = [e for e in _children(settlement) if _name(e) == "SpecifiedTradeAllowanceCharge"]
    if not found:
        return None
    total = Decimal(0)
    for element in found:
        amount = _number(_at(element, "ActualAmount")) or Decimal(0)
        charge = (_whole_text(_at(element, "ChargeIndicator")) or "").strip().lower() == "true"
        total += amount if charge else -amount
    return total


def _taxes(settlement: Element | None) -> Iterator[TaxShare]:
    for element in _children(settlement):
        if _name(element) == "ApplicableTradeTax":
            yield TaxShare(
                _number(_at(element, "BasisAmount")), _percent(element), _number(_at(element, "CalculatedAmount"))
            )


def _percent(tax: Element | None) -> Decimal | None:
    found = _number(_at(tax, "RateApplicablePercent"))
    return _number(_at(tax, "ApplicablePercent")) if found is None else found


def _tax_total(total: Element | None, currency: str | None) -> Element | None:
    """The tax total in the invoice's currency: there may be a second one in the country's own."""
    found = [e for e in _children(total) if _name(e) == "TaxTotalAmount"]
    same = [e for e in found if e.get("currencyID") in {None, currency}]
    return (same or found or [None])[0]


def _vat_element(party: Element | None) -> Element | None:
    for registration in _children(party):
        if _name(registration) == "SpecifiedTaxRegistration":
            identifier = _at(registration, "ID")
            if identifier is not None and identifier.get("schemeID") == "VA" and _text(identifier):
                return identifier
    return None


def _reference(agreement: Element | None, name: str) -> str | None:
    document = _at(agreement, name)
    return _text(_at(document, "IssuerAssignedID")) or _text(_at(document, "ID"))


def _evidence(element: Element) -> Evidence:
    steps = [_name(element), *(_name(e) for e in element.iterancestors())]
    return Evidence.of("xml", "/" + "/".join(reversed(steps)), _whole_text(element) or "")


def _name(element: Element) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _children(element: Element | None) -> Iterator[Element]:
    return iter(()) if element is None else iter(element)


def _at(element: Element | None, name: str) -> Element | None:
    return next((child for child in _children(element) if _name(child) == name), None)


def _first(element: Element | None, names: tuple[str, ...]) -> Element | None:
    return next((child for child in _children(element) if _name(child) in names), None)


def _deep(root: Element, names: tuple[str, ...]) -> Element | None:
    return next((e for e in root.iter() if _name(e) in names), None)


def _all(element: Element | None, name: str) -> list[Element]:
    return [] if element is None else [e for e in element.iter() if _name(e) == name]


def _text(element: Element | None) -> str | None:
    return None if element is None else one_line(element.text)


def _whole_text(element: Element | None) -> str | None:
    return None if element is None else one_line(" ".join(str(text) for text in element.itertext()))


def _number(element: Element | None) -> Decimal | None:
    return decimal_of(_text(element))


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else format(value.normalize(), "f")
