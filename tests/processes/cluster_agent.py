"""The agent of the cluster's company."""

from collections.abc import Mapping
from typing import Any

from remit.missions import StepContext


async def note(_context: StepContext, _given: Mapping[str, Any]) -> dict[str, Any]:
    """Say that it was done."""
    return {}
