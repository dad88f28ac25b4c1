"""Whether an invoice's numbers agree with each other. All sums are exact decimals; tolerances are cents of rounding."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

from remit.packs.payables.amounts import CENT, decimal_of
from remit.packs.payables.cii import Cii
from remit.packs.payables.facts import Evidence, Finding, Line

_ZERO = Decimal(0)
#: Each row of a tax breakdown may be rounded by itself.
_ROUNDING = Decimal("0.02")


def check_totals(cii: Cii) -> Iterator[Finding]:
    """Header totals that contradict each other: nothing may be paid on such a document."""
    net, tax, grand = cii.net, cii.tax, cii.grand
    if net is not None and grand is not None:
        expected = net + (tax or _ZERO)
        if abs(expected - grand) > CENT:
            yield _refused(cii, f"Net {net} and tax {tax or 0} give {expected}, not the stated total {grand}.")
    shares = [share.amount for share in cii.taxes if share.amount is not None]
    if tax is not None and shares and abs(sum(shares, _ZERO) - tax) > CENT * (len(shares) + 1):
        yield _refused(cii, f"The tax rows give {sum(shares, _ZERO)}, not the stated tax {tax}.")
    for share in cii.taxes:
        if share.basis is None or share.percent is None or share.amount is None:
            continue
        exact = share.basis * share.percent / 100
        if abs(exact - share.amount) > _ROUNDING:
            yield _refused(cii, f"{share.percent} % of {share.basis} is not {share.amount}.")
    if grand is not None and grand > 0 and cii.due is not None:
        left = grand - (cii.prepaid or _ZERO) + (cii.rounding or _ZERO)
        if cii.prepaid is not None and abs(left - cii.due) > CENT:
            yield _refused(cii, f"Total {grand} less prepaid {cii.prepaid} is not the amount due {cii.due}.")


def check_lines(cii: Cii) -> Iterator[Finding]:
    """Lines whose price, quantity and total differ, and lines that do not give the net total: a person decides."""
    for line in cii.lines:
        message = line_fault(line)
        if message:
            yield Finding("line_arithmetic", message, "ask", (Evidence.of("xml", f"line {line.number}", message),))
    totals = [decimal_of(line.total) for line in cii.lines if line.counts]
    if not totals or cii.line_total is None:
        return
    given = sum((total for total in totals if total is not None), _ZERO)
    if abs(given - cii.line_total) > CENT:
        yield Finding("line_sum", f"The lines sum to {given}, not to the stated {cii.line_total}.", "ask")
    elif cii.net is not None:
        net = cii.line_total - (cii.allowances or _ZERO) + (cii.charges or _ZERO)
        if abs(net - cii.net) > CENT:
            yield Finding(
                "line_sum",
                f"Lines {cii.line_total}, allowances {cii.allowances or 0} and charges {cii.charges or 0} "
                f"do not give the net total {cii.net}.",
                "ask",
            )


def line_fault(line: Line) -> str | None:
    """What is wrong with a line's own sum; None where it holds or cannot be checked."""
    quantity, price, total = decimal_of(line.quantity), decimal_of(line.unit_price), decimal_of(line.total)
    if quantity is None or price is None or total is None or not line.counts:
        return None
    basis = decimal_of(line.basis_quantity) or Decimal(1)
    exact = quantity * price / basis + (decimal_of(line.adjustments) or _ZERO)
    if abs(exact.quantize(CENT, ROUND_HALF_UP) - total) <= CENT:
        return None
    return f"Line {line.number}: {line.quantity} x {line.unit_price} is not {line.total}."


def _refused(cii: Cii, message: str) -> Finding:
    evidence = tuple(cii.evidence[name] for name in ("net_total", "tax_total", "grand_total") if name in cii.evidence)
    return Finding("totals_arithmetic", message, "refuse", evidence)
