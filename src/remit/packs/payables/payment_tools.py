"""The payment tool behind the door: pays once for each key, and only to an account on file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from remit.packs.payables import erp


def pay(
    *,
    invoice: str,
    vendor: str,
    account: str,
    amount: str,
    currency: str,
    note: str = "",
    idempotency_key: str,
    context: Mapping[str, str],
) -> dict[str, Any]:
    """Pay a vendor's invoice to one of the vendor's accounts on file; the same key pays once."""
    receipt = erp.pay(
        Path(context["home"]) / "erp.sqlite",
        invoice=invoice,
        vendor=vendor,
        account=account,
        amount=amount,
        currency=currency,
        key=idempotency_key,
        note=note,
        paid_at=context["now"],
    )
    return receipt.to_json()


TOOLS: Mapping[str, Callable[..., object]] = {"pay": pay}
