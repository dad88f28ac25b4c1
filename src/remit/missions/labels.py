"""The label with which a step begins: what it was made of, before it reads anything itself."""

from remit.gateway import CallLog
from remit.missions.state import MissionState, StepState, StepStatus
from remit.tools import Confidentiality, Label


def label_before(state: MissionState, log: CallLog, held: StepState) -> Label:
    """The join of what the step's givers had read when they gave it, and of what stands on record of its own calls.

    The step's own calls count because an agent outside keeps what it read in its memory, whatever restarts here.
    """
    label = log.read(held.step.id).join(held.given)
    submitted = state.submitted
    if submitted is not None and (submitted.parent or submitted.source):
        # No person gave the input. An agent's may hold whatever it had read; a trigger says how far it vouches for it,
        # and a mission that a step began has the label of what that step gave it.
        trusted = submitted.trusted and (not submitted.parent or bool(submitted.parent_step))
        label = label.join(Label(trusted=trusted, confidentiality=Confidentiality(submitted.confidentiality)))
    giver = held.proposed_by
    while giver is not None:
        above = state.steps[giver]
        if above.status is StepStatus.SUCCEEDED:
            return label.join(above.label)  # joined from its own givers already
        label = label.join(log.read(giver)).join(above.given)
        giver = above.proposed_by
    return label
