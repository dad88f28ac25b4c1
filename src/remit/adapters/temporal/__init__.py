"""Temporal: says which process carries which mission next. Only names cross it; what they mean is in the record."""

from remit.adapters.temporal.scheduler import Lane, TemporalAddress, TemporalScheduler, TemporalTls
from remit.adapters.temporal.worker import MissionWorker

__all__ = ["Lane", "MissionWorker", "TemporalAddress", "TemporalScheduler", "TemporalTls"]
