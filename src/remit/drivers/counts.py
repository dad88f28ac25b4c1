"""What one worker does, in numbers: what its health and its scaling are judged by."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class WorkerCounts:
    """Since the worker began."""

    pool: str
    #: How many missions it carries at most.
    slots: int
    polling: bool = False
    draining: bool = False
    #: Missions that it carries now.
    under_way: int = 0
    #: Missions that it put down, by how.
    put_down: Counter[str] = field(default_factory=Counter)
