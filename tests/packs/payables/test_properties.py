"""What holds for every document: a reader never fails on a stranger's bytes, and no cent goes lost in a sum."""

from dataclasses import replace
from decimal import Decimal
from functools import cache
from xml.sax.saxutils import escape

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lxml import etree

from remit.packs.payables.amounts import amount_text, decimal_of, printed_amount, printed_amounts, shows_amount
from remit.packs.payables.arithmetic import check_lines, check_totals, line_fault
from remit.packs.payables.cii import parse_xml, read_cii
from remit.packs.payables.contracts import read_contract
from remit.packs.payables.facts import Line
from remit.packs.payables.pack import sample_folder
from remit.packs.payables.page_text import read_pages
from remit.packs.payables.pdf import open_pdf
from remit.packs.payables.procedures import read_procedure
from remit.packs.payables.reading import read_document

BOUNDED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
CENTS = st.integers(0, 10**11).map(lambda cents: Decimal(cents).scaleb(-2))
#: Numbers as a stranger may write them into XML.
WRITTEN = st.one_of(
    st.from_regex(r"-?\d{1,42}(\.\d{0,42})?", fullmatch=True),
    st.sampled_from(["", "NaN", "Infinity", "1e400", "-0", "0", "0.00", "١٢", " 1 ", "--1", "9" * 41]),
    st.text(max_size=20),
)


@cache
def the_xml() -> bytes:
    """The XML of a sample invoice."""
    pdf = open_pdf((sample_folder() / "inv-01-kranich.pdf").read_bytes())
    return next(iter(pdf.attachments.values()))


def judged(xml: bytes) -> None:
    """Read an invoice's XML and check its sums, as far as it can be parsed at all."""
    try:
        root = parse_xml(xml)
    except etree.XMLSyntaxError:
        return  # it says so, and the document is unreadable
    cii = read_cii(root)
    list(check_totals(cii))
    list(check_lines(cii))


# --- no bytes of a stranger make a reader fail


@BOUNDED
@given(st.one_of(st.binary(max_size=2000), st.binary(max_size=500).map(lambda more: b"%PDF-1.7\n" + more)))
@example(b"")
@example(b"%PDF-1.7\n%%EOF")
@example(b"\xff\xfe\x00")
def test_every_file_gets_a_reading_whatever_its_bytes(data):
    for name in ("a.pdf", "a.txt", "a.xml"):
        assert read_document(data, name).file == name


@BOUNDED
@given(st.text(max_size=1500))
def test_every_text_is_read_as_page_contract_and_procedure(text):
    read_pages([text])
    read_contract(text)
    read_procedure(text)
    assert read_document(text.encode("utf-8", "surrogatepass"), "a.txt").file == "a.txt"


@BOUNDED
@given(st.data())
def test_xml_with_bytes_cut_out_or_put_in_is_read_or_refused(data):
    xml = the_xml()
    start = data.draw(st.integers(0, len(xml)))
    end = data.draw(st.integers(start, min(len(xml), start + 200)))
    judged(xml[:start] + data.draw(st.binary(max_size=40)) + xml[end:])


@BOUNDED
@given(st.data())
def test_xml_with_any_text_for_any_number_is_read_and_its_sums_are_judged(data):
    parts = the_xml().decode("utf-8").split("Amount>")
    place = data.draw(st.integers(1, len(parts) - 1))
    written = data.draw(WRITTEN)
    head, _, tail = parts[place].partition("<")
    parts[place] = escape(written) + "<" + tail if head.strip() else parts[place]
    judged("Amount>".join(parts).encode("utf-8", "replace"))


@BOUNDED
@given(WRITTEN, WRITTEN, WRITTEN, WRITTEN, WRITTEN)
@example("9" * 30, "9" * 30, "1", "1", "1")
@example("1", "1", "0", "1", "0")
def test_a_line_of_any_numbers_is_judged(quantity, price, basis, adjustments, total):
    line = Line("1", None, quantity, None, price, basis, adjustments, total)

    assert line_fault(line) is None or "Line 1" in line_fault(line)


# --- no cent goes lost


@BOUNDED
@given(CENTS)
def test_an_amount_written_and_read_back_is_the_same_to_the_cent(amount):
    assert decimal_of(amount_text(amount)) == amount


@BOUNDED
@given(CENTS, st.sampled_from([(".", ","), (",", "."), (" ", ","), ("'", "."), ("", "."), ("", ",")]))
def test_an_amount_printed_in_any_usual_form_is_read_exactly_and_found_on_the_page(amount, marks):
    thousands, point = marks
    printed = f"{amount:,.2f}".replace(",", "T").replace(".", point).replace("T", thousands)

    assert printed_amount(printed) == amount
    assert shows_amount(f"Total {printed} EUR", amount)
    assert amount in [value for _, value in printed_amounts(f"Total {printed} EUR")]


@BOUNDED
@given(st.integers(1, 10_000), CENTS, st.integers(2, 10**6))
def test_a_line_that_multiplies_out_holds_and_one_that_is_off_by_two_cents_does_not(quantity, price, off):
    total = quantity * price
    line = Line("1", None, str(quantity), None, str(price), None, None, str(total))
    wrong = Line("1", None, str(quantity), None, str(price), None, None, str(total + Decimal(off).scaleb(-2)))

    assert line_fault(line) is None
    assert decimal_of(wrong.total) is None or line_fault(wrong) is not None


@BOUNDED
@given(st.lists(CENTS, min_size=1, max_size=60), st.integers(2, 10**6))
def test_lines_that_sum_to_the_stated_total_hold_and_a_total_that_is_off_by_two_cents_is_asked_about(totals, off):
    lines = tuple(Line(str(place), total=amount_text(total)) for place, total in enumerate(totals, 1))
    whole = sum(totals, Decimal(0))
    plain = {"lines": lines, "allowances": None, "charges": None}
    right = replace(read_cii(parse_xml(the_xml())), line_total=whole, net=whole, **plain)
    wrong = replace(right, line_total=whole + Decimal(off).scaleb(-2))

    assert list(check_lines(right)) == []
    assert [finding.rule for finding in check_lines(wrong)] == ["line_sum"]
