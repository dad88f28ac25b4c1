"""Matching: what follows for each document from what it states, what the contracts and procedures say, and the ERP.

Pure code over typed values. It proposes; whether a payment is made is for policy, data flow and people to say.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from remit.packs.payables.amounts import decimal_of
from remit.packs.payables.erp import account_key, name_key, vat_key
from remit.packs.payables.facts import Finding, Reading
from remit.packs.payables.terms import Terms, cited

Decision = Literal["pay", "ask", "refuse", "unreadable", "read"]
#: What the answers do where no payment can be formed, now or later.
_BY_HAND: Mapping[str, str] = {
    "approve": "It is noted as settled by hand; Remit pays nothing on it.",
    "reject": "Nothing is paid; the document is refused with your note.",
}
#: Files and numbers to the ERP's answers, as its tools give them.
Answers = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as it is proposed: the arguments of the payment tool."""

    invoice: str
    vendor: str
    #: An account on file, never the one that a document names.
    account: str
    amount: str
    currency: str
    note: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What follows for one document, with every rule that spoke."""

    file: str
    title: str
    decision: Decision
    findings: tuple[Finding, ...] = ()
    #: None where no payment can be formed.
    payment: Payment | None = None
    #: What each answer of a person would do.
    answers: Mapping[str, str] = field(default_factory=dict)

    @property
    def rules(self) -> tuple[str, ...]:
        """Codes of the findings, each once, in order."""
        return tuple(dict.fromkeys(finding.rule for finding in self.findings))

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "title": self.title,
            "decision": self.decision,
            "rules": list(self.rules),
            "reasons": [finding.message for finding in self.findings],
            "payment": None if self.payment is None else self.payment.to_json(),
        }

    def case(self) -> dict[str, Any]:
        """What a person is shown."""
        return {
            "title": self.title,
            "file": self.file,
            "reasons": [{"rule": finding.rule, "message": finding.message} for finding in self.findings],
            "evidence": [
                {"document": self.file, **asdict(evidence)}
                for finding in self.findings
                for evidence in finding.evidence
            ],
            "answers": dict(self.answers),
        }


def assess(readings: Sequence[Reading], vendors: Answers, orders: Answers, payments: Answers) -> tuple[Assessment, ...]:
    """Judge all documents of a folder together, by file name.

    Args:
        readings: what each document states.
        vendors: file to the ERP's answer about its seller.
        orders: purchase order number to the ERP's answer.
        payments: file to the ERP's answer about an earlier payment of the same invoice.
    """
    batch = _Batch(readings, vendors, orders, payments)
    return tuple(batch.assess(reading) for reading in sorted(readings, key=lambda one: one.file))


def related(readings: Sequence[Reading], to: Reading) -> tuple[Reading, ...]:
    """What must be at hand to judge one document again: contracts, procedures, and the same seller's invoices."""
    return tuple(
        one
        for one in readings
        if one.contract is not None or one.procedure is not None or one.file == to.file or _same_seller(one, to)
    )


class _Batch:
    """One pass over the invoices of a folder, in order."""

    def __init__(self, readings: Sequence[Reading], vendors: Answers, orders: Answers, payments: Answers) -> None:
        self.vendors, self.payments = vendors, payments
        self.terms = Terms(readings, orders)
        self.seen: list[Reading] = []

    def assess(self, reading: Reading) -> Assessment:
        if reading.type in {"contract", "procedure"}:
            return Assessment(reading.file, f"{reading.type.capitalize()} {reading.file}", "read", reading.findings)
        if reading.type == "unreadable":
            return Assessment(reading.file, f"{reading.file}: unreadable", "unreadable", reading.findings)
        if reading.type == "unknown":
            return Assessment(
                reading.file, f"{reading.file}: no known kind of document", "ask", reading.findings, answers=_BY_HAND
            )
        vendor = self.vendors.get(reading.file, {}).get("vendor")
        findings = [*reading.findings, *self._judge(reading, vendor)]
        if self.terms.confirms(reading, vendor):
            # What was read from a page only is what was ordered.
            findings = [finding for finding in findings if finding.rule != "page_only"]
        payment = _payment(reading, vendor)
        decision: Decision = "pay" if payment is not None and not findings else "ask"
        if any(finding.severity == "refuse" for finding in findings):
            decision = "refuse"
        else:
            self.terms.use(reading)
        self.seen.append(reading)
        answers = _answers(reading, vendor, payment)
        return Assessment(reading.file, _title(reading, payment), decision, tuple(findings), payment, answers)

    def _judge(self, reading: Reading, vendor: Mapping[str, Any] | None) -> Iterator[Finding]:
        yield from self._duplicate(reading, vendor)
        yield from self._vendor(reading, vendor)
        yield from self.terms.check(reading, vendor)

    def _duplicate(self, reading: Reading, vendor: Mapping[str, Any] | None) -> Iterator[Finding]:
        number = _number_key(reading)
        if not number:
            return
        for first in self.seen:
            known = self.vendors.get(first.file, {}).get("vendor")
            same_vendor = vendor is not None and known is not None and vendor["id"] == known["id"]
            if number == _number_key(first) and (same_vendor or _same_seller(first, reading)):
                message = (
                    f"{first.file} is the same seller's invoice {reading.invoice_number}; "
                    "the first by file name stands."
                )
                yield Finding("duplicate_invoice", message, "refuse", cited(reading, "invoice_number", "seller_name"))
                return
        earlier = self.payments.get(reading.file, {}).get("payment")
        if earlier:
            message = f"Invoice {reading.invoice_number} was paid on {earlier['paid_at'][:10]} before."
            yield Finding("duplicate_invoice", message, "refuse", cited(reading, "invoice_number"))

    def _vendor(self, reading: Reading, vendor: Mapping[str, Any] | None) -> Iterator[Finding]:
        conflict = self.vendors.get(reading.file, {}).get("conflict")
        seller = cited(reading, "seller_name", "seller_vat_id")
        if vendor is None:
            named = f"{reading.seller_name or '(no name)'} ({reading.seller_vat_id or 'no VAT id'})"
            yield Finding("vendor_unknown", f"The ERP knows no vendor {named}.", "ask", seller)
            return
        if conflict:
            yield Finding("vendor_conflict", conflict, "ask", seller)
        if vendor["status"] != "active":
            yield Finding("vendor_blocked", f"Vendor {vendor['id']} is {vendor['status']} in the ERP.", "refuse")
        if not vendor["accounts"]:
            yield Finding("no_account", f"The ERP has no account of vendor {vendor['id']} on file.", "ask")
        on_file = {account_key(account["iban"]) for account in vendor["accounts"]}
        asked = account_key(reading.payee_iban or "")
        if asked and on_file and asked not in on_file:
            message = (
                f"The document asks for account {reading.payee_iban}; vendor {vendor['id']} has "
                f"{', '.join(account['iban'] for account in vendor['accounts'])} on file. Only those are paid."
            )
            yield Finding("account_differs", message, "ask", cited(reading, "payee_iban"))


def _same_seller(one: Reading, other: Reading) -> bool:
    """The same VAT id; where one of them states none, the same name."""
    vat_ids = vat_key(one.seller_vat_id), vat_key(other.seller_vat_id)
    if all(vat_ids):
        return vat_ids[0] == vat_ids[1]
    return bool(name_key(one.seller_name)) and name_key(one.seller_name) == name_key(other.seller_name)


def _number_key(reading: Reading) -> str:
    return "".join((reading.invoice_number or "").split()).casefold()


def _payment(reading: Reading, vendor: Mapping[str, Any] | None) -> Payment | None:
    amount = _amount(reading)
    if vendor is None or amount is None or not reading.invoice_number or not reading.currency or not vendor["accounts"]:
        return None
    accounts = [one for one in vendor["accounts"] if one["currency"] == reading.currency] or vendor["accounts"]
    account = next((one for one in accounts if one["primary"]), accounts[0])
    return Payment(
        reading.invoice_number,
        vendor["id"],
        account["iban"],
        amount,
        reading.currency,
        f"Invoice of vendor {vendor['id']}",
    )


def _amount(reading: Reading) -> str | None:
    """What is left to pay, in the very text that was read: data flow compares texts."""
    due, total = decimal_of(reading.due_total), decimal_of(reading.grand_total)
    if total is None or total <= 0 or {"negative_total", "nothing_due"} & set(reading.rules):
        return None
    return reading.due_total if due is not None and 0 < due <= total else reading.grand_total


def _answers(reading: Reading, vendor: Mapping[str, Any] | None, payment: Payment | None) -> Mapping[str, str]:
    if payment is not None and vendor is not None:
        others = ", ".join(account["iban"] for account in vendor["accounts"])
        return {
            "approve": f"Remit pays {payment.currency} {payment.amount} to {payment.account}, which is on file, once.",
            "reject": "Nothing is paid; the invoice is refused with your note.",
            "steer": f"Change amount, account (on file: {others}) or note; Remit checks the new values and pays those.",
        }
    if vendor is None and may_be_paid_later(reading):
        return {
            "approve": "Remit looks into the ERP again and pays if the vendor is on file by then.",
            "reject": "Nothing is paid; the invoice is refused with your note.",
        }
    return _BY_HAND


def may_be_paid_later(reading: Reading) -> bool:
    """Whether a vendor on file is all that a payment lacks."""
    return bool(_amount(reading) and reading.invoice_number and reading.currency)


def _title(reading: Reading, payment: Payment | None) -> str:
    what = (
        f"{reading.file}: invoice {reading.invoice_number or '(no number)'} of {reading.seller_name or '(no seller)'}"
    )
    if payment is None:
        return what
    return f"Pay {payment.currency} {payment.amount} for {what}"
