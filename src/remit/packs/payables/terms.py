"""Holding invoices against what the company agreed and ordered: contracts, operating procedures, purchase orders.

Invoices come in file-name order, and what they use of a ceiling or an order counts against those that follow.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from remit.packs.payables.amounts import CENT, decimal_of
from remit.packs.payables.erp import name_key, vat_key
from remit.packs.payables.facts import Contract, Evidence, Finding, Procedure, Reading

_ZERO = Decimal(0)
#: UN/ECE Recommendation 20 codes for the units in which contracts agree rates.
_UNITS = {"HUR": "hour", "DAY": "day", "MON": "month", "C62": "piece", "H87": "piece", "KMT": "km"}


class Terms:
    """The contracts and procedures of a folder and the orders of the ERP, with what is used of them so far."""

    def __init__(self, readings: Sequence[Reading], orders: Mapping[str, Mapping[str, Any]]) -> None:
        self._contracts = [(one.file, one.contract) for one in readings if one.contract is not None]
        self._procedures = [one.procedure for one in readings if one.procedure is not None]
        self._orders = orders
        #: File of a contract, or number of an order, to what was invoiced against it before.
        self._used: dict[str, Decimal] = {}

    def check(self, reading: Reading, vendor: Mapping[str, Any] | None) -> Iterator[Finding]:
        """What an invoice does not keep of contract, procedure and order."""
        contract = self._contract_of(reading)
        if contract is not None:
            yield from _ceiling(reading, *contract, self._used.get(contract[0], _ZERO))
            yield from _rate(reading, *contract)
            yield from _term(reading, *contract)
        order = self.order_of(reading)
        if order is None:
            yield from self._order_required(reading, covered=contract is not None)
        else:
            yield from _order(reading, vendor, order, self._used.get(order["number"], _ZERO))

    def use(self, reading: Reading) -> None:
        """Count an invoice that may come to be paid."""
        contract, order = self._contract_of(reading), self.order_of(reading)
        if contract is not None:
            self._count(contract[0], _against_ceiling(reading, contract[1]))
        if order is not None:
            self._count(order["number"], decimal_of(reading.grand_total))

    def confirms(self, reading: Reading, vendor: Mapping[str, Any] | None) -> bool:
        """Whether an order of the same vendor over the same amount stands behind an invoice."""
        order = self.order_of(reading)
        return (
            order is not None
            and vendor is not None
            and order["vendor"] == vendor["id"]
            and order["currency"] == reading.currency
            and decimal_of(order["amount"]) == decimal_of(reading.grand_total)
        )

    def order_of(self, reading: Reading) -> Mapping[str, Any] | None:
        """The purchase order that an invoice names, if the ERP has it."""
        found = self._orders.get(reading.order_number or "", {}).get("order")
        return found if isinstance(found, Mapping) else None

    def _count(self, name: str, amount: Decimal | None) -> None:
        if amount is not None and amount > 0:
            self._used[name] = self._used.get(name, _ZERO) + amount

    def _contract_of(self, reading: Reading) -> tuple[str, Contract] | None:
        """The seller's contract: the one that the invoice names, else one in force on its day, else any."""
        seller = {vat_key(reading.seller_vat_id), name_key(reading.seller_name)} - {""}
        found = [
            (file, contract)
            for file, contract in self._contracts
            if seller & {vat_key(contract.supplier_vat_id), name_key(contract.supplier_name)}
        ]
        named = [one for one in found if one[1].number and one[1].number == reading.contract_number]
        in_force = [one for one in found if _in_force(one[1], reading.invoice_date)]
        return next(iter((*named, *in_force, *found)), None)

    def _order_required(self, reading: Reading, *, covered: bool) -> Iterator[Finding]:
        rule = next((one for one in self._procedures if _needs_order(one, reading, covered=covered)), None)
        if rule is not None:
            named = f"order {reading.order_number} is unknown" if reading.order_number else "none is named"
            above = f"{rule.currency or ''} {rule.order_above}".strip()
            message = f"{rule.number or 'The procedure'}: above {above} a purchase order is needed, and {named}."
            yield Finding("order_required", message, "ask", cited(reading, "grand_total"))


def cited(reading: Reading, *names: str) -> tuple[Evidence, ...]:
    """Where the document states these fields."""
    return tuple(reading.evidence[name] for name in names if name in reading.evidence)


# --- contracts


def _against_ceiling(reading: Reading, contract: Contract) -> Decimal | None:
    if contract.currency not in {None, reading.currency}:
        return None
    return decimal_of(reading.net_total if contract.ceiling_basis == "net" else reading.grand_total)


def _ceiling(reading: Reading, file: str, contract: Contract, before: Decimal) -> Iterator[Finding]:
    amount, ceiling = _against_ceiling(reading, contract), decimal_of(contract.ceiling)
    if amount is None or ceiling is None or amount <= 0 or before + amount <= ceiling:
        return
    told = f" after {before} before it in this folder" if before else ""
    basis = "including tax" if contract.ceiling_basis == "gross" else "without tax"
    message = f"{_named(file, contract)} has a ceiling of {ceiling} {basis}; this invoice is {amount}{told}."
    yield Finding("over_contract_ceiling", message, "ask", cited(reading, "grand_total"))


def _rate(reading: Reading, file: str, contract: Contract) -> Iterator[Finding]:
    agreed = decimal_of(contract.rate)
    if agreed is None:
        return
    for line in reading.lines:
        price, basis = decimal_of(line.unit_price), decimal_of(line.basis_quantity) or Decimal(1)
        if price is not None and price / basis > agreed and _same_unit(line.unit, contract.rate_unit):
            charged = f"Line {line.number} charges {line.unit_price} per {contract.rate_unit}"
            message = f"{charged}; {_named(file, contract)} agrees {contract.rate}."
            yield Finding(
                "rate_above_contract", message, "ask", (Evidence.of("xml", f"line {line.number}", line.name or ""),)
            )


def _term(reading: Reading, file: str, contract: Contract) -> Iterator[Finding]:
    if contract.valid_until and reading.invoice_date and reading.invoice_date > contract.valid_until:
        message = f"{_named(file, contract)} ended on {contract.valid_until}; the invoice is of {reading.invoice_date}."
        yield Finding("contract_expired", message, "ask", cited(reading, "invoice_date"))


def _in_force(contract: Contract, day: str | None) -> bool:
    return day is not None and (contract.valid_from or "") <= day <= (contract.valid_until or "9999")


def _same_unit(unit: str | None, agreed: str | None) -> bool:
    known = _UNITS.get(unit or "", (unit or "").rstrip("s").casefold())
    return agreed is not None and known == agreed.rstrip("s").casefold()


def _named(file: str, contract: Contract) -> str:
    return f"Contract {contract.number or file}"


# --- orders and procedures


def _order(
    reading: Reading, vendor: Mapping[str, Any] | None, order: Mapping[str, Any], before: Decimal
) -> Iterator[Finding]:
    ordered, total = decimal_of(order["amount"]), decimal_of(reading.grand_total)
    if vendor is not None and order["vendor"] != vendor["id"]:
        message = f"Order {order['number']} is with {order['vendor']}, not with {vendor['id']}."
        yield Finding("order_differs", message, "ask", cited(reading, "order_number"))
    elif reading.currency is not None and order["currency"] != reading.currency:
        message = f"Order {order['number']} is in {order['currency']}, the invoice in {reading.currency}."
        yield Finding("order_differs", message, "ask", cited(reading, "currency"))
    elif ordered is not None and total is not None and before + total - ordered > CENT:
        told = f" after {before} before it in this folder" if before else ""
        message = f"Order {order['number']} is over {order['currency']} {ordered}; the invoice is over {total}{told}."
        yield Finding("order_differs", message, "ask", cited(reading, "grand_total"))


def _needs_order(procedure: Procedure, reading: Reading, *, covered: bool) -> bool:
    limit, total = decimal_of(procedure.order_above), decimal_of(reading.grand_total)
    if limit is None or total is None or (covered and procedure.contract_replaces_order):
        return False
    return procedure.currency in {None, reading.currency} and total > limit
