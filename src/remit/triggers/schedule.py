"""When a schedule is due."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from remit.registry import Schedule

#: What is found later than this was missed.
_LATE = timedelta(minutes=1)


def due_at(schedule: Schedule, *, after: datetime, now: datetime) -> datetime | None:
    """The latest instant of the schedule behind `after` and up to `now`; None where there is none, or it was missed.

    However many lie between, one is given: after a stop or a jump of the clock nothing comes in a storm.
    """
    from cronsim import CronSim  # noqa: PLC0415 -- only where there is a schedule

    local = now.astimezone(ZoneInfo(schedule.time_zone))
    for found in CronSim(schedule.cron, local + timedelta(minutes=1), reverse=True):
        latest: datetime = found
        if latest <= now:
            break
    else:
        return None
    missed = now - latest > _LATE
    return None if latest <= after or (missed and schedule.missed == "skip") else latest
