"""An agent whose mission waits for a payment."""

from collections.abc import Mapping
from typing import Any

from remit.missions import StepContext


async def plan(context: StepContext, given: Mapping[str, Any]) -> None:
    context.propose("paid", event="payment.received", given={"reference": given["reference"]})
