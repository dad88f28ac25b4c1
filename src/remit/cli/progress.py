"""A mission as its events tell it to whoever watches: which steps are known, and where each stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Event = Mapping[str, Any]

ENDED = frozenset({"succeeded", "refused", "failed", "skipped"})
_OPEN = {"running": 0, "waiting": 1, "parked": 2}
_STANDS = {
    "mission.completed": "completed",
    "mission.failed": "failed",
    "mission.cancelled": "cancelled",
    "mission.paused": "paused",
    "mission.resumed": "working",
}
#: Kinds that only the steps of written workflows have.
_WRITTEN = frozenset({"step.parked", "step.ruled_out", "step.elapsed", "event.occurred"})


@dataclass(slots=True)
class Seen:
    """A step as far as its events tell."""

    name: str
    #: The skill or the tool; a question has none.
    target: str
    kind: str
    status: str = "pending"
    agent: str = ""
    rules: tuple[str, ...] = ()
    #: When it waits no longer, while it is parked; 0 for no end of its own.
    until_us: int = 0
    #: The step that goes on once this one has ended.
    proposer: str = ""


@dataclass(slots=True)
class Progress:
    """The fold of a mission's events for the screen; `Missions.show` is what holds."""

    steps: dict[str, Seen] = field(default_factory=dict)
    #: Open questions: approval to the step that waits.
    questions: dict[str, str] = field(default_factory=dict)
    #: Plans that may join: proposing step to its steps.
    proposed: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    status: str = "working"
    seq: int = 0
    #: How many calls of tools have ended well; the money paid may have changed when this did.
    calls: int = 0

    @property
    def ended(self) -> int:
        """How many steps have ended."""
        return sum(step.status in ENDED for step in self.steps.values())

    def open(self) -> list[Seen]:
        """Steps that run, wait for people or wait for something outside, in this order."""
        return sorted(
            (step for step in self.steps.values() if step.status in _OPEN), key=lambda step: _OPEN[step.status]
        )

    def take(self, event: Event) -> None:
        """Fold one event; a kind that is not known changes nothing."""
        self.seq = event["seq"]
        match event["kind"]:
            case "mission.submitted" | "plan.proposed" | "plan.extended":
                self._plan(event)
            case "step.started":
                self._to(event["step"], "running", agent=event["agent"])
            case "step.succeeded":
                self.calls += event["step"] in self.steps and self.steps[event["step"]].kind == "tool"
                self._end(event["step"], "succeeded")
            case "step.failed":
                self._end(event["step"], "refused" if event["refused"] else "failed", event["rules"])
            case "step.interrupted" | "step.retried":
                self._to(event["step"], "pending")
            case "step.suspended":
                self._suspend(event)
            case "approval.answered" | "approval.expired":
                self._answer(event)
            case over if over in _STANDS:
                self.status = _STANDS[over]
            case written if written in _WRITTEN:
                self._wait(event)
            case _:
                self._steer(event)

    def _plan(self, event: Event) -> None:
        match event["kind"]:
            case "mission.submitted":
                self._add(event["steps"])
            case "plan.proposed":
                self.proposed[event["step"]] = event["steps"]
            case "plan.extended":
                self._add(self.proposed.pop(event["by"]))

    def _wait(self, event: Event) -> None:
        """What happens to written steps."""
        name = event["step"]
        match event["kind"]:
            case "step.parked":
                self._to(name, "parked", until_us=event["until_us"])
            case "step.ruled_out":
                self._end(name, "skipped", [event["rule"]])
            case "step.elapsed":
                self._end(name, "succeeded" if event["what"] == "timer" else "failed")
            case "event.occurred" if name in self.steps and self.steps[name].status == "parked":
                self._end(name, "succeeded")

    def _steer(self, event: Event) -> None:
        match event["kind"]:
            case "step.skipped":
                self.questions = {asked: name for asked, name in self.questions.items() if name != event["step"]}
                self._end(event["step"], "skipped")
            case "mission.stopping":
                self.questions.clear()
            case "undo.planned":
                self._add(event["steps"])
            case "plan.steered":
                self._add(event["added"])
            case "step.removed":
                self.steps.pop(event["step"], None)
            case "steps.reopened":
                for name in event["withdrawn"]:
                    self.steps.pop(name, None)
                for name in event["steps"]:
                    self._to(name, "pending")

    def _add(self, steps: list[dict[str, Any]], proposer: str = "") -> None:
        for step in steps:
            self.steps[step["id"]] = Seen(step["id"], step["target"], step["kind"], proposer=proposer)

    def _to(self, name: str, status: str, *, agent: str = "", rules: tuple[str, ...] = (), until_us: int = 0) -> None:
        step = self.steps.get(name)
        if step is None:
            return  # it left the plan
        step.status, step.agent, step.rules, step.until_us = status, agent or step.agent, rules, until_us

    def _end(self, name: str, status: str, rules: list[str] | None = None) -> None:
        self._to(name, status, rules=tuple(rules or ()))
        proposer = self.steps[name].proposer if name in self.steps else ""
        if proposer in self.steps and self.steps[proposer].status == "blocked":
            self._to(proposer, "pending")

    def _suspend(self, event: Event) -> None:
        name = event["step"]
        if event["proposed"]:
            self._to(name, "blocked")
            self._add(event["proposed"], proposer=name)
            name = event["proposed"][0]["id"]
        self._to(name, "waiting", rules=tuple(event["rules"]))
        self.questions[event["approval"]] = name

    def _answer(self, event: Event) -> None:
        name = self.questions.pop(event["approval"], event["step"])
        verdict = event.get("verdict", "expired")
        if verdict in {"approve", "steer"}:
            self._to(name, "pending")
        else:
            self._end(name, "refused", ["rejected" if verdict == "reject" else "approval_expired"])
