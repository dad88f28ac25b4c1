"""Plans: the steps of a mission, what each waits for, and whether the whole can be carried out."""

from remit.planning.plan import NO_TERMS, Compensation, OnFailure, Retry, Step, StepKind, Terms
from remit.planning.validate import check_plan

__all__ = ["NO_TERMS", "Compensation", "OnFailure", "Retry", "Step", "StepKind", "Terms", "check_plan"]
