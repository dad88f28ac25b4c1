"""The pages of invoices and contracts, drawn with reportlab. The same input gives the same bytes."""

import io
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import reportlab
from reportlab.lib.colors import Color, HexColor, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from samples.cases import UNITS, VAT_PERCENT, Invoice
from samples.contracts import ContractText
from samples.parties import BUYER, Party, spaced

_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT = 22 * mm, _WIDTH - 20 * mm
_TEXT, _BOLD = "Vera", "VeraBd"
_INK, _GREY = HexColor("#222222"), HexColor("#6b6b6b")
_FONTS = Path(reportlab.__file__).parent / "fonts"
#: Right edges of quantity, price and amount, and the left edges of the others.
_NUMBER_AT, _NAME_AT, _UNIT_AT = _LEFT + 2 * mm, _LEFT + 13 * mm, _LEFT + 117 * mm
_QUANTITY_AT, _PRICE_AT, _AMOUNT_AT = _LEFT + 114 * mm, _LEFT + 145 * mm, _RIGHT - 2 * mm

for _name in (_TEXT, _BOLD):
    pdfmetrics.registerFont(TTFont(_name, str(_FONTS / f"{_name}.ttf")))


def money(value: Decimal) -> str:
    return f"{value:,.2f}"


class Page:
    """A page under the pen; `y` is where the next line goes."""

    def __init__(self, title: str, author: str) -> None:
        self._buffer = io.BytesIO()
        self.canvas = Canvas(self._buffer, pagesize=A4, invariant=1)
        self.canvas.setTitle(title)
        self.canvas.setAuthor(author)
        self.y = _HEIGHT

    def write(self, x: float, text: str, *, size: float = 9, font: str = _TEXT, colour: Color = _INK) -> None:
        self.canvas.setFont(font, size)
        self.canvas.setFillColor(colour)
        self.canvas.drawString(x, self.y, text)

    def write_to(self, x: float, text: str, *, size: float = 9, font: str = _TEXT, colour: Color = _INK) -> None:
        """Write so that the text ends at `x`."""
        self.write(x - self.canvas.stringWidth(text, font, size), text, size=size, font=font, colour=colour)

    def rule(self, *, colour: Color = _GREY, width: float = 0.5) -> None:
        self.canvas.setStrokeColor(colour)
        self.canvas.setLineWidth(width)
        self.canvas.line(_LEFT, self.y, _RIGHT, self.y)

    def paragraph(self, text: str, *, size: float = 9, leading: float = 4.6 * mm, indent: float = 0) -> None:
        """Write text over as many lines as it needs, and leave `y` below it."""
        line = ""
        for word in text.split():
            longer = f"{line} {word}".strip()
            if self.canvas.stringWidth(longer, _TEXT, size) > _RIGHT - _LEFT - indent:
                self.write(_LEFT + indent, line, size=size)
                self.y -= leading
                longer = word
            line = longer
        self.write(_LEFT + indent, line, size=size)
        self.y -= leading

    def turn(self) -> None:
        self.canvas.showPage()
        self.y = _HEIGHT - 25 * mm

    def finish(self) -> bytes:
        self.canvas.showPage()
        self.canvas.save()
        return self._buffer.getvalue()


def invoice_page(invoice: Invoice) -> bytes:
    """An invoice on one page."""
    page = Page(f"Invoice {invoice.number}", invoice.seller.name)
    accent = HexColor(invoice.look.colour)
    _head(page, invoice.seller, invoice.look.head, accent)
    _addresses(page, invoice)
    _facts(page, invoice, accent)
    _table(page, invoice, accent)
    _totals(page, invoice, accent)
    _closing(page, invoice)
    _foot(page, invoice.seller)
    return page.finish()


def contract_pages(contract: ContractText) -> bytes:
    """A contract on as many pages as its clauses need."""
    page = Page(f"{contract.title} {contract.number}", contract.supplier.name)
    page.y = _HEIGHT - 32 * mm
    page.write(_LEFT, contract.title, size=17, font=_BOLD)
    page.y -= 7 * mm
    page.write(_LEFT, f"Contract No. {contract.number}", size=10, colour=_GREY)
    page.y -= 12 * mm
    for label, party in (("Supplier", contract.supplier), ("Customer", BUYER)):
        page.write(_LEFT, f"{label}: {party.name}", size=9.5, font=_BOLD)
        page.y -= 5 * mm
        vat = f", VAT ID {party.vat_id}" if party is contract.supplier else ""
        page.write(_LEFT, f"{party.street}, {party.postcode} {party.town}, Germany{vat}", size=9)
        page.y -= 8 * mm
    page.rule()
    page.y -= 9 * mm
    for place, (heading, clauses) in enumerate(contract.sections, 1):
        if page.y < 60 * mm:
            page.turn()
        page.write(_LEFT, f"{place}. {heading}", size=10.5, font=_BOLD)
        page.y -= 6 * mm
        for clause in clauses:
            page.paragraph(clause, size=9.2, leading=5 * mm)
            page.y -= 1.6 * mm
        page.y -= 3 * mm
    _signatures(page, contract)
    return page.finish()


# --- parts of an invoice


def _head(page: Page, seller: Party, head: str, accent: Color) -> None:
    canvas = page.canvas
    if head == "band":
        canvas.setFillColor(accent)
        canvas.rect(0, _HEIGHT - 30 * mm, _WIDTH, 30 * mm, stroke=0, fill=1)
        page.y = _HEIGHT - 16 * mm
        page.write(_LEFT, seller.name, size=17, font=_BOLD, colour=white)
        page.y -= 6.5 * mm
        page.write(_LEFT, seller.slogan, size=9, colour=white)
        return
    page.y = _HEIGHT - 19 * mm
    if head == "mark":
        canvas.setFillColor(accent)
        canvas.roundRect(_LEFT, page.y - 6 * mm, 12 * mm, 12 * mm, 2.4 * mm, stroke=0, fill=1)
        page.y -= 2.1 * mm
        page.write(_LEFT + 4 * mm, seller.name[0], size=15, font=_BOLD, colour=white)
        page.y += 2.8 * mm
        page.write(_LEFT + 16 * mm, seller.name, size=14, font=_BOLD)
        page.y -= 6 * mm
        page.write(_LEFT + 16 * mm, seller.slogan, size=8.5, colour=_GREY)
        return
    page.write_to(_RIGHT, seller.name, size=15, font=_BOLD, colour=accent)
    page.y -= 5.5 * mm
    page.write_to(_RIGHT, seller.slogan, size=8.5, colour=_GREY)
    page.y -= 4 * mm
    page.rule(colour=accent, width=1.6)


def _addresses(page: Page, invoice: Invoice) -> None:
    seller = invoice.seller
    page.y = _HEIGHT - 48 * mm
    page.write(_LEFT, f"{seller.name} · {seller.street} · {seller.postcode} {seller.town}", size=6.8, colour=_GREY)
    page.y -= 7 * mm
    page.write(_LEFT, "Bill to:", size=8, colour=_GREY)
    for line in (BUYER.name, "Accounts Payable", BUYER.street, f"{BUYER.postcode} {BUYER.town}", "Germany"):
        page.y -= 4.8 * mm
        page.write(_LEFT, line, size=10)


def _facts(page: Page, invoice: Invoice, accent: Color) -> None:
    page.y = _HEIGHT - 54 * mm
    facts = [
        ("Invoice date", f"{invoice.on.day} {invoice.on:%B %Y}"),
        ("Customer no.", invoice.customer),
        ("Purchase order", invoice.order),
        ("Contract", invoice.contract),
        ("Payable by", f"{invoice.due.day} {invoice.due:%B %Y}"),
        ("Contact", invoice.seller.phone),
    ]
    for label, value in facts:
        if value:
            page.write(_LEFT + 105 * mm, f"{label}:", size=8.5, colour=_GREY)
            page.write(_LEFT + 133 * mm, value, size=8.5)
            page.y -= 5 * mm
    if invoice.stamp:
        page.canvas.saveState()
        page.canvas.translate(_LEFT + 150 * mm, _HEIGHT - 100 * mm)
        page.canvas.rotate(12)
        page.canvas.setStrokeColor(HexColor("#b23a48"))
        page.canvas.setLineWidth(1.4)
        page.canvas.roundRect(-17 * mm, -3.4 * mm, 34 * mm, 11 * mm, 2 * mm, stroke=1, fill=0)
        page.canvas.setFillColor(HexColor("#b23a48"))
        page.canvas.setFont(_BOLD, 18)
        page.canvas.drawCentredString(0, 0, invoice.stamp)
        page.canvas.restoreState()
    page.y = _HEIGHT - 101 * mm
    page.write(_LEFT, f"Invoice No. {invoice.number}", size=15, font=_BOLD, colour=accent)
    page.y -= 8 * mm
    page.write(_LEFT, "For our deliveries and services we charge:")
    page.y -= 9 * mm


def _table(page: Page, invoice: Invoice, accent: Color) -> None:
    page.canvas.setFillColor(accent)
    page.canvas.rect(_LEFT, page.y - 2.4 * mm, _RIGHT - _LEFT, 7.4 * mm, stroke=0, fill=1)
    page.write(_NUMBER_AT, "Pos.", size=8, font=_BOLD, colour=white)
    page.write(_NAME_AT, "Description", size=8, font=_BOLD, colour=white)
    page.write_to(_QUANTITY_AT, "Qty", size=8, font=_BOLD, colour=white)
    page.write(_UNIT_AT, "Unit", size=8, font=_BOLD, colour=white)
    page.write_to(_PRICE_AT, "Price", size=8, font=_BOLD, colour=white)
    page.write_to(_AMOUNT_AT, "Amount", size=8, font=_BOLD, colour=white)
    page.y -= 9 * mm
    for place, item in enumerate(invoice.items, 1):
        page.write(_NUMBER_AT, str(place))
        page.write(_NAME_AT, item.name)
        page.write_to(_QUANTITY_AT, f"{item.quantity:f}")
        page.write(_UNIT_AT, UNITS[item.unit])
        page.write_to(_PRICE_AT, money(item.price))
        page.write_to(_AMOUNT_AT, money(item.total))
        page.y -= 3.2 * mm
        page.rule(width=0.3)
        page.y -= 5.6 * mm


def _totals(page: Page, invoice: Invoice, accent: Color) -> None:
    page.y -= 2 * mm
    label_at = _LEFT + 100 * mm
    if invoice.breaks_down_tax:
        for label, value in (("Net total", invoice.net), (f"VAT {VAT_PERCENT} %", invoice.tax)):
            page.write(label_at, label)
            page.write_to(_AMOUNT_AT, f"EUR {money(value)}")
            page.y -= 5.6 * mm
        page.write(label_at, "Total due", size=10.5, font=_BOLD)
        page.write_to(_AMOUNT_AT, f"EUR {money(invoice.total)}", size=10.5, font=_BOLD)
    else:
        page.write_to(_AMOUNT_AT, f"Total incl. VAT: EUR {money(invoice.total)}", size=10.5, font=_BOLD)
    page.y -= 3 * mm
    page.canvas.setStrokeColor(accent)
    page.canvas.setLineWidth(1.2)
    page.canvas.line(label_at, page.y, _RIGHT, page.y)
    page.y -= 14 * mm


def _closing(page: Page, invoice: Invoice) -> None:
    by = f"{invoice.due.day} {invoice.due:%B %Y}"
    page.paragraph(f"Please transfer the amount by {by} without deduction, quoting the number of this invoice.")
    page.y -= 1.5 * mm
    page.write(_LEFT, f"IBAN {spaced(invoice.iban)}", font=_BOLD)
    page.y -= 10 * mm
    if invoice.note:
        page.paragraph(invoice.note, size=8, leading=4.2 * mm)


def _foot(page: Page, seller: Party) -> None:
    page.y = 26 * mm
    page.rule(width=0.4)
    columns = (
        (seller.name, f"{seller.street}", f"{seller.postcode} {seller.town}, Germany"),
        (f"VAT ID: {seller.vat_id}", *seller.register.split(", ", 1)),
        (seller.bank, seller.phone, seller.email),
    )
    for place, column in enumerate(columns):
        page.y = 26 * mm
        for line in column:
            page.y -= 4 * mm
            page.write(_LEFT + place * 58 * mm, line, size=7, colour=_GREY)


def _signatures(page: Page, contract: ContractText) -> None:
    if page.y < 55 * mm:
        page.turn()
    page.y -= 6 * mm
    page.write(_LEFT, f"{BUYER.town}, {contract.signed.day} {contract.signed:%B %Y}")
    page.y -= 20 * mm
    names: Sequence[tuple[float, Party]] = ((_LEFT, contract.supplier), (_LEFT + 88 * mm, BUYER))
    for x, party in names:
        page.canvas.setStrokeColor(_GREY)
        page.canvas.setLineWidth(0.5)
        page.canvas.line(x, page.y + 4.5 * mm, x + 70 * mm, page.y + 4.5 * mm)
        page.write(x, f"for {party.name}", size=8, colour=_GREY)
