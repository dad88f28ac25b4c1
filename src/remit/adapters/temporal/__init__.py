"""Temporal: says which process carries which mission next. Only names cross it; what they mean is in the record."""

from remit.adapters.temporal.scheduler import TemporalAddress, TemporalScheduler, TemporalTls
from remit.adapters.temporal.worker import MissionWorker

__all__ = ["MissionWorker", "TemporalAddress", "TemporalScheduler", "TemporalTls"]
