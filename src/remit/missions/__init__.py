"""Missions: the story from a goal to its end.

`submit` puts one on record, `Advancer` moves it on by deciding (`decide`, pure) and by carrying out what is ready
(`Performer`, through the gateway), `answer` takes a person's verdict. Folding a mission's stream (`evolve`, pure)
gives its state.
"""

from remit.missions.active import ActiveMission, stream_of
from remit.missions.advance import Advancer, Rest
from remit.missions.answer import Given, answer, find_approval
from remit.missions.asked import ASKED, Asked, submit_asked
from remit.missions.context import Agent, Ended, StepContext
from remit.missions.decide import Answer, Cancel, Proceed, Submit, decide
from remit.missions.evolve import evolve
from remit.missions.perform import Performer
from remit.missions.session import OWN_SESSIONS, SESSION_STEP, SESSION_WORKFLOW, Opening, Session, open_session
from remit.missions.state import MissionState, MissionStatus, StepState, StepStatus
from remit.missions.submit import Submission, submit

__all__ = [
    "ASKED",
    "OWN_SESSIONS",
    "SESSION_STEP",
    "SESSION_WORKFLOW",
    "ActiveMission",
    "Advancer",
    "Agent",
    "Answer",
    "Asked",
    "Cancel",
    "Ended",
    "Given",
    "MissionState",
    "MissionStatus",
    "Opening",
    "Performer",
    "Proceed",
    "Rest",
    "Session",
    "StepContext",
    "StepState",
    "StepStatus",
    "Submission",
    "Submit",
    "answer",
    "decide",
    "evolve",
    "find_approval",
    "open_session",
    "stream_of",
    "submit",
    "submit_asked",
]
