"""Reading one document: what it states, where, and what is wrong with it. Never raises for a bad document."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from typing import Any

from remit.packs.payables import page_match
from remit.packs.payables.amounts import amount_text, decimal_of
from remit.packs.payables.arithmetic import check_lines, check_totals
from remit.packs.payables.cii import Cii, is_invoice_xml, parse_xml, read_cii
from remit.packs.payables.contracts import is_contract, read_contract
from remit.packs.payables.facts import Evidence, Finding, Reading
from remit.packs.payables.injection import check_text
from remit.packs.payables.page_text import PageReading, read_pages
from remit.packs.payables.pdf import Pdf, open_pdf
from remit.packs.payables.procedures import is_procedure, read_procedure
from remit.packs.payables.profiles import is_known_profile, schema_fault

#: A larger file is not opened.
BYTES_MAX = 30 * 1024 * 1024
_TEXT_MAX = 60_000
#: Names that invoice XML goes by, best first (Factur-X 1.0 section 6.2.2, ZUGFeRD 1.0 and 2.0, XRechnung).
_XML_NAMES = ("factur-x.xml", "zugferd-invoice.xml", "xrechnung.xml")
_REQUIRED = ("invoice_number", "invoice_date", "seller_name", "currency", "grand_total")
#: Credit notes in UNTDID 1001: their amounts are positive, and mean what is owed to us.
_CREDITS = frozenset({"81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "532"})
_INVOICE_WORDS = ("invoice", "rechnung", "facture")


def read_document(data: bytes, file: str) -> Reading:
    """Read a PDF or text document."""
    digest = sha256(data).hexdigest()
    if len(data) > BYTES_MAX:
        return _unreadable(file, digest, f"it has {len(data)} bytes; {BYTES_MAX} are read")
    pdf = open_pdf(data) if _is_pdf(data, file) else _open_text(data)
    if pdf.problem:
        return _unreadable(file, digest, pdf.problem)
    name = _xml_name(pdf)
    if name is not None:
        return _with_injection(_read_xml(pdf, pdf.attachments[name], file, digest), pdf)
    if not any(page.strip() for page in pdf.pages):
        return _unreadable(file, digest, "it holds no text")
    return _with_injection(_read_text(pdf, file, digest), pdf)


def _is_pdf(data: bytes, file: str) -> bool:
    return data[:1024].find(b"%PDF-") >= 0 or file.lower().endswith(".pdf")


def _open_text(data: bytes) -> Pdf:
    if b"\0" in data[:4096]:
        return Pdf(problem="it is neither PDF nor text")
    try:
        return Pdf(pages=(data.decode("utf-8-sig"),))
    except UnicodeDecodeError:
        return Pdf(pages=(data.decode("cp1252", "replace"),))


def _xml_name(pdf: Pdf) -> str | None:
    by_folded = {name.casefold(): name for name in pdf.attachments}
    named = next((by_folded[name] for name in _XML_NAMES if name in by_folded), None)
    return named or next((name for name, data in pdf.attachments.items() if _is_invoice(name, data)), None)


def _is_invoice(name: str, data: bytes) -> bool:
    """An attachment under another name counts where it is well-formed and an invoice."""
    if not name.casefold().endswith(".xml"):
        return False
    try:
        return is_invoice_xml(parse_xml(data))
    except (ValueError, SyntaxError):
        return False


# --- structured invoices


def _read_xml(pdf: Pdf, xml: bytes, file: str, digest: str) -> Reading:
    base = Reading(file, digest, "invoice", "none", pages=len(pdf.pages), text=_text(pdf))
    try:
        root = parse_xml(xml)
    except (ValueError, SyntaxError) as error:  # lxml's own error is a SyntaxError
        return _broken_xml(base, str(error))
    if not is_invoice_xml(root):
        return _broken_xml(base, "it is no Cross Industry Invoice")
    cii = read_cii(root)
    reading = replace(
        base,
        origin="xml",
        invoice_number=cii.number,
        invoice_date=cii.date,
        seller_name=cii.seller,
        seller_vat_id=cii.seller_vat_id,
        buyer_name=cii.buyer,
        currency=cii.currency,
        net_total=amount_text(cii.net),
        tax_total=amount_text(cii.tax),
        grand_total=amount_text(cii.grand),
        line_count=cii.line_count,
        lines=cii.lines,
        type_code=cii.type_code,
        profile=cii.profile,
        due_total=amount_text(cii.due),
        payee_iban=cii.ibans[0] if cii.ibans else None,
        ibans=cii.ibans,
        order_number=cii.order_number,
        contract_number=cii.contract_number,
        evidence=cii.evidence,
    )
    return replace(reading, findings=tuple(_findings(reading, cii, root, pdf)))


def _broken_xml(base: Reading, why: str) -> Reading:
    message = f"The embedded XML cannot be read ({' '.join(why.split())[:160]}); the page is not trusted in its place."
    return replace(base, findings=(Finding("xml_not_well_formed", message, "ask"),))


def _findings(reading: Reading, cii: Cii, root: Any, pdf: Pdf) -> Iterator[Finding]:
    if not is_known_profile(cii.profile):
        yield Finding("unknown_profile", f"The XML states the profile {cii.profile}, which no invoice has.", "ask")
    fault = schema_fault(root)
    if fault is not None:
        yield Finding("schema_invalid", f"The XML breaks its schema: {fault}", "ask", (Evidence.of("xml", "/", fault),))
    yield from check_totals(cii)
    yield from check_lines(cii)
    yield from _missing(reading)
    yield from _negative(reading)
    yield from page_match.check(reading, pdf.pages)
    yield from _twins(reading, pdf)


def _missing(reading: Reading) -> Iterator[Finding]:
    missing = [name for name in _REQUIRED if getattr(reading, name) is None]
    if missing:
        yield Finding("missing_fields", f"The document does not state: {_words(missing)}.", "ask")


def _negative(reading: Reading) -> Iterator[Finding]:
    """What asks for no payment, or not for the total: a person sees it before any money moves."""
    total, due = decimal_of(reading.grand_total), decimal_of(reading.due_total)
    if reading.type_code in _CREDITS:
        message = f"It is a credit note (type {reading.type_code}): nothing is owed on it."
        yield Finding("negative_total", message, "ask", _where(reading, "type_code", "grand_total"))
    elif total is not None and total < 0:
        message = f"The total is {total}: nothing is owed on it."
        yield Finding("negative_total", message, "ask", _where(reading, "grand_total"))
    elif total is not None and due is not None and due <= 0 < total:
        message = f"Of the total {total}, {due} is left to pay: it was paid in advance."
        yield Finding("nothing_due", message, "ask", _where(reading, "due_total", "grand_total"))
    elif total is not None and due is not None and due > total:
        message = f"The amount due {due} is more than the total {total}: it holds older debts too."
        yield Finding("due_above_total", message, "ask", _where(reading, "due_total", "grand_total"))


def _twins(reading: Reading, pdf: Pdf) -> Iterator[Finding]:
    """Other invoice XML in the same file must say the same: who reads which one is anybody's guess."""
    read = _xml_name(pdf)
    for name, data in pdf.attachments.items():
        if name == read or not _is_invoice(name, data):
            continue
        twin = read_cii(parse_xml(data))
        said = (twin.number, amount_text(twin.grand), twin.currency, twin.ibans)
        if said != (reading.invoice_number, reading.grand_total, reading.currency, reading.ibans):
            message = f"{read} and {name} state different numbers, totals or accounts."
            yield Finding("attachments_disagree", message, "ask", _where(reading, "invoice_number", "grand_total"))


def _where(reading: Reading, *names: str) -> tuple[Evidence, ...]:
    return tuple(reading.evidence[name] for name in names if name in reading.evidence)


# --- plain documents


def _read_text(pdf: Pdf, file: str, digest: str) -> Reading:
    text = _text(pdf)
    base = Reading(file, digest, "unknown", "page", pages=len(pdf.pages), text=text)
    # A procedure speaks of contracts and invoices, a contract of invoices: the more specific is tried first.
    if is_procedure(text):
        return replace(base, type="procedure", procedure=read_procedure(text))
    if is_contract(text):
        return replace(base, type="contract", contract=read_contract(text))
    if any(word in text.casefold() for word in _INVOICE_WORDS):
        return _read_plain_invoice(base, read_pages(pdf.pages))
    finding = Finding("unknown_document", "It is neither an invoice, nor a contract, nor a procedure.", "ask")
    return replace(base, findings=(finding,))


def _read_plain_invoice(base: Reading, page: PageReading) -> Reading:
    reading = replace(
        base,
        type="invoice",
        **page.values,  # type: ignore[arg-type]  # named by the fields of a reading
        evidence=page.evidence,
        ibans=page.ibans,
        payee_iban=page.ibans[0] if page.ibans else None,
        order_number=page.order_number,
        due_total=page.values.get("grand_total"),
    )
    doubtful = [name for name in page.doubtful if name not in {"seller_vat_id", "buyer_name"}]
    findings = [*_negative(reading)]
    if doubtful:
        findings.append(
            Finding(
                "no_structured_data",
                f"There is no structured data, and the page leaves doubt about: {_words(doubtful)}.",
                "ask",
                tuple(page.evidence.values()),
            )
        )
    else:
        message = "There is no structured data; the fields were read from the page, where each stands once."
        findings.append(Finding("page_only", message, "ask", tuple(page.evidence.values())))
    if _contradicts(reading):
        findings.append(Finding("totals_arithmetic", "Net and tax as printed do not give the printed total.", "refuse"))
    return replace(reading, findings=tuple(findings))


def _contradicts(reading: Reading) -> bool:
    net, tax, grand = (decimal_of(value) for value in (reading.net_total, reading.tax_total, reading.grand_total))
    return net is not None and tax is not None and grand is not None and abs(net + tax - grand) > Decimal("0.01")


# --- both


def _with_injection(reading: Reading, pdf: Pdf) -> Reading:
    texts = [("page", f"page {number}", page) for number, page in enumerate(pdf.pages, 1)]
    texts += [("page", f"metadata {name}", value) for name, value in pdf.metadata.items()]
    name = _xml_name(pdf)
    if name is not None:
        texts += [("xml", "notes", note) for note in _notes(pdf.attachments[name])]
    return replace(reading, findings=(*reading.findings, *check_text(iter(texts))))


def _notes(xml: bytes) -> tuple[str, ...]:
    try:
        root = parse_xml(xml)
    except (ValueError, SyntaxError):
        return ()
    return tuple(text for text in (str(part).strip() for part in root.itertext()) if len(text) > 20)


def _unreadable(file: str, digest: str, why: str) -> Reading:
    return Reading(
        file, digest, "unreadable", "none", findings=(Finding("unreadable", f"It cannot be read: {why}.", "refuse"),)
    )


def _text(pdf: Pdf) -> str:
    return "\f".join(pdf.pages)[:_TEXT_MAX]


def _words(names: list[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)
