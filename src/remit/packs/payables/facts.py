"""What a document states: the types that reading produces, that cross a connection as JSON, and that matching judges.

Amounts are decimal text in the document's currency (`"197.65"`, at least two decimals), dates are ISO 8601 text.
Nothing here is trusted: a value is what the document claims, and its evidence says where it claims it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

JsonObject = dict[str, Any]
DocumentType = Literal["invoice", "contract", "procedure", "unknown", "unreadable"]
Origin = Literal["xml", "page", "none"]
Severity = Literal["ask", "refuse"]

#: The fields that every invoice is compared by, in the order in which they are reported.
INVOICE_FIELDS = (
    "invoice_number",
    "invoice_date",
    "seller_name",
    "seller_vat_id",
    "buyer_name",
    "currency",
    "net_total",
    "tax_total",
    "grand_total",
    "line_count",
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a value stands: a path in the embedded XML, or a page, with the text as written."""

    source: Literal["xml", "page", "metadata"]
    #: An XPath by local names, `page 2`, or the name of a metadata entry.
    where: str
    #: At most 240 characters.
    text: str

    @classmethod
    def of(cls, source: Literal["xml", "page", "metadata"], where: str, text: str) -> "Evidence":
        return cls(source, where, " ".join(text.split())[:240])

    def to_json(self) -> JsonObject:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Evidence":
        return cls(value["source"], value["where"], value["text"])


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a document does not keep, in a sentence that names the values."""

    rule: str
    message: str
    #: `refuse`: nothing may be paid on this document; `ask`: a person decides.
    severity: Severity
    evidence: tuple[Evidence, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Finding":
        return cls(
            value["rule"],
            value["message"],
            value["severity"],
            tuple(Evidence.from_json(one) for one in value["evidence"]),
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One position of an invoice; a value that is absent is None."""

    number: str | None = None
    name: str | None = None
    quantity: str | None = None
    #: UN/ECE Recommendation 20 code in XML (`HUR`), the word as printed on a page (`hours`).
    unit: str | None = None
    #: Net price of `basis_quantity` units.
    unit_price: str | None = None
    basis_quantity: str | None = None
    #: Allowances (negative) and charges of the line beyond its price.
    adjustments: str | None = None
    total: str | None = None
    tax_percent: str | None = None
    #: False for headings and subtotals, which carry no money of their own.
    counts: bool = True

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Line":
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Contract:
    """The terms of a contract that payments are held against."""

    number: str | None = None
    supplier_name: str | None = None
    supplier_vat_id: str | None = None
    customer_name: str | None = None
    currency: str | None = None
    #: Most that may be invoiced over the whole term.
    ceiling: str | None = None
    #: Whether the ceiling counts tax: `gross` with it, `net` without.
    ceiling_basis: Literal["gross", "net"] = "gross"
    rate: str | None = None
    #: `hour`, `day`, `month`, `piece`, `km` or the word as written.
    rate_unit: str | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    payment_days: int | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Contract":
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Procedure:
    """The rules that an operating procedure states; amounts are in `currency`."""

    number: str | None = None
    title: str | None = None
    currency: str | None = None
    #: Invoices above this need a purchase order.
    order_above: str | None = None
    #: A contract on file stands in for the purchase order.
    contract_replaces_order: bool = False
    #: Payments above this need a second person.
    second_person_above: str | None = None
    #: Only accounts on file are paid, never the one on the invoice.
    accounts_on_file_only: bool = False
    #: Sentences that state a rule, as written, for the person who decides.
    rules: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Procedure":
        return cls(**{**value, "rules": tuple(value["rules"])})


@dataclass(frozen=True, slots=True)
class Reading:
    """What one document states, where it states it, and what is wrong with it."""

    file: str
    sha256: str
    type: DocumentType
    #: `xml`: the fields come from embedded structured data; `page`: from the text of the pages.
    origin: Origin
    invoice_number: str | None = None
    invoice_date: str | None = None
    seller_name: str | None = None
    seller_vat_id: str | None = None
    buyer_name: str | None = None
    currency: str | None = None
    net_total: str | None = None
    tax_total: str | None = None
    grand_total: str | None = None
    line_count: int | None = None
    lines: tuple[Line, ...] = ()
    #: UNTDID 1001: 380 invoice, 381 credit note, 384 correction.
    type_code: str | None = None
    profile: str | None = None
    due_total: str | None = None
    #: The account that the document asks for. Never pay to it: pay to an account on file.
    payee_iban: str | None = None
    #: Every account number that the document shows and whose check digits hold.
    ibans: tuple[str, ...] = ()
    order_number: str | None = None
    contract_number: str | None = None
    contract: Contract | None = None
    procedure: Procedure | None = None
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    pages: int = 0
    #: Text of the pages, capped at 60,000 characters. Untrusted.
    text: str = ""

    @classmethod
    def unreadable(cls, file: str, why: str, sha256: str = "") -> "Reading":
        """A document of which nothing could be read; `why` is in our words, never the document's."""
        finding = Finding("unreadable", f"The document cannot be read: {why}.", "refuse")
        return cls(file, sha256, "unreadable", "none", findings=(finding,))

    @property
    def rules(self) -> tuple[str, ...]:
        """Codes of the findings, each once, in order."""
        return tuple(dict.fromkeys(finding.rule for finding in self.findings))

    def to_json(self) -> JsonObject:
        """JSON values only; `from_json` gives an equal reading back."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Reading":
        """Build a reading from `to_json`'s answer.

        Raises:
            KeyError, TypeError: a part is missing or unknown.
        """
        known = {one.name for one in fields(cls)}
        plain = {name: value[name] for name in value if name in known}
        return cls(
            **{
                **plain,
                "lines": tuple(Line.from_json(line) for line in value["lines"]),
                "ibans": tuple(value["ibans"]),
                "contract": _optional(Contract, value["contract"]),
                "procedure": _optional(Procedure, value["procedure"]),
                "evidence": {name: Evidence.from_json(one) for name, one in value["evidence"].items()},
                "findings": tuple(Finding.from_json(one) for one in value["findings"]),
            }
        )


def one_line(text: str | None) -> str | None:
    """`text` with every run of white space as one space; None for nothing."""
    return " ".join(text.split()) or None if text else None


def distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _optional(kind: type[Contract] | type[Procedure], value: Mapping[str, Any] | None) -> Any:
    return None if value is None else kind.from_json(value)
