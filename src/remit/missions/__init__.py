"""Missions: the story from a goal to its end.

`submit` puts one on record, `Advancer` moves it on by deciding (`decide`, pure) and by carrying out what is ready
(`Performer`, through the gateway), `answer` takes a person's verdict. Folding a mission's stream (`evolve`, pure)
gives its state.
"""

from remit.missions.active import ActiveMission, stream_of
from remit.missions.advance import Advancer, Rest
from remit.missions.answer import Given, answer, find_approval
from remit.missions.asked import ASKED, Asked, submit_asked
from remit.missions.command import Command, carry_out
from remit.missions.context import Agent, Ended, StepContext
from remit.missions.control import (
    ControlCommand,
    Pause,
    Reopen,
    Resume,
    Skip,
    SteerPlan,
)
from remit.missions.decide import Answer, Cancel, Proceed, Submit, decide
from remit.missions.evolve import evolve
from remit.missions.occur import DUPLICATE, AlongEvent, Occurred, OutsideEvent, occur
from remit.missions.perform import Performer
from remit.missions.reserve import release_reserve
from remit.missions.session import OWN_SESSIONS, SESSION_STEP, SESSION_WORKFLOW, Opening, Session, open_session
from remit.missions.shared import LEFT, Company, SharedSession
from remit.missions.state import MissionState, MissionStatus, StepState, StepStatus
from remit.missions.submit import OPEN_MAX, PRIORITIES, Along, Provenance, Submission, known_values, submit

__all__ = [
    "ASKED",
    "DUPLICATE",
    "LEFT",
    "OPEN_MAX",
    "OWN_SESSIONS",
    "PRIORITIES",
    "SESSION_STEP",
    "SESSION_WORKFLOW",
    "ActiveMission",
    "Advancer",
    "Agent",
    "Along",
    "AlongEvent",
    "Answer",
    "Asked",
    "Cancel",
    "Command",
    "Company",
    "ControlCommand",
    "Ended",
    "Given",
    "MissionState",
    "MissionStatus",
    "Occurred",
    "Opening",
    "OutsideEvent",
    "Pause",
    "Performer",
    "Proceed",
    "Provenance",
    "Reopen",
    "Rest",
    "Resume",
    "Session",
    "SharedSession",
    "Skip",
    "SteerPlan",
    "StepContext",
    "StepState",
    "StepStatus",
    "Submission",
    "Submit",
    "answer",
    "carry_out",
    "decide",
    "evolve",
    "find_approval",
    "known_values",
    "occur",
    "open_session",
    "release_reserve",
    "stream_of",
    "submit",
    "submit_asked",
]
