"""Plans: the steps of a mission, what each waits for, and whether the whole can be carried out."""

from remit.planning.plan import Step, StepKind
from remit.planning.validate import check_plan

__all__ = ["Step", "StepKind", "check_plan"]
