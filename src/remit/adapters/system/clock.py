"""The machine's clock."""

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """Tells the machine's time in UTC; it may be set back, so an order must never rest on it alone."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.sleep(seconds)

    def monotonic(self) -> float:
        """Seconds that never go backwards, within this process."""
        return time.monotonic()
