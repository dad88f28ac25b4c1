"""The ERP behind the door: look-ups in the company's own data."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from remit.packs.payables import erp


def _path(context: Mapping[str, str]) -> Path:
    return Path(context["home"]) / "erp.sqlite"


def find_vendor(*, vat_id: str, name: str, context: Mapping[str, str]) -> dict[str, Any]:
    """The vendor on file with this VAT id, else with exactly this name: identity, status and accounts."""
    return erp.find_vendor(_path(context), vat_id=vat_id or None, name=name or None).to_json()


def find_order(*, number: str, context: Mapping[str, str]) -> dict[str, Any]:
    """The purchase order with this number."""
    order = erp.find_order(_path(context), number)
    return {"order": None if order is None else order.to_json()}


def find_payment(*, vendor: str, invoice: str, context: Mapping[str, str]) -> dict[str, Any]:
    """The payment that was made on this vendor's invoice before."""
    payment = erp.find_payment(_path(context), vendor, invoice)
    return {"payment": None if payment is None else payment.to_json()}


TOOLS: Mapping[str, Callable[..., object]] = {
    "find_vendor": find_vendor,
    "find_order": find_order,
    "find_payment": find_payment,
}
