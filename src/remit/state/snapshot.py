"""A snapshot of an agent's working state: four tiers, and the hash that chains it to the one before.

Tier 1 is the goal, a small document. Tier 2 holds a slice for each tool or topic, of which only those that changed are
written. Tier 3 is the log of reflections. Tier 4 says under which policy, agent version and prompts it was made.
Nothing here reads or writes a store.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from remit.errors import InvalidInput, StateTooLarge
from remit.ids import MissionId, StepId, StreamId
from remit.tools import NOTHING_READ, Confidentiality, Label

#: The most that each part may have, in bytes of canonical JSON.
GOAL_BYTES_MAX = 10_240
SLICE_BYTES_MAX = 256 * 1024
REFLECTION_BYTES_MAX = 16 * 1024
#: How many slices one state may have.
SLICES_MAX = 64
#: The `parent` of a first snapshot.
ROOT = "0" * 64
_SLICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose working state it is: one step's, over all its attempts, wherever they run."""

    mission: MissionId
    step: StepId

    @property
    def stream(self) -> StreamId:
        """Where its snapshots stand in the ledger; a snapshot's number is its entry's place there."""
        return StreamId(f"state/{self.mission}/{self.step}")

    @property
    def key(self) -> str:
        """Its name in the table of heads."""
        return f"{self.mission}/{self.step}"


@dataclass(frozen=True, slots=True)
class Binding:
    """Tier 4: under what a snapshot was made."""

    #: Hash of the policies that applied to the agent.
    policy: str = ""
    #: `NAME@VERSION`.
    agent: str = ""
    #: Hash of the agent version's prompts.
    prompts: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What an agent wants kept; what it does not name stays as it was."""

    goal: Any = None
    #: By name; None takes a slice away.
    tools: Mapping[str, Any] = field(default_factory=dict)
    reflection: Any = None

    def check(self) -> None:
        """Return where each part may be kept.

        Raises:
            StateTooLarge: names the part, its size and what is taken.
            InvalidInput: a slice's name, or a value that is no JSON.
        """
        if self.goal is not None:
            check_size("The goal", self.goal, GOAL_BYTES_MAX)
        if self.reflection is not None:
            check_size("The reflection", self.reflection, REFLECTION_BYTES_MAX)
        for name, value in self.tools.items():
            if not _SLICE.fullmatch(name):
                raise InvalidInput(f"{name[:64]!r} is no name of a slice: letters, digits, '_', '.' and '-', up to 64.")
            if value is not None:
                check_size(f"The slice {name}", value, SLICE_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one snapshot consists of, by keyed names of sealed bodies."""

    parent: str = ROOT
    goal: str = ""
    tools: Mapping[str, str] = field(default_factory=dict)
    #: How many reflections each segment holds, and its body's name; the oldest first.
    reflections: tuple[tuple[int, str], ...] = ()
    binding: Binding = Binding()
    #: The join of all that its writer had read.
    label: Label = NOTHING_READ
    #: Goes up when an earlier snapshot is taken up again; pointers from before lead nowhere then.
    epoch: int = 1
    #: Place in the record of its writer's last effect: those up to there are part of this state.
    upto: int = 0

    @property
    def snap_hash(self) -> str:
        """The hash of this snapshot and, through its parent, of all before it."""
        canonical = orjson.dumps(self.to_json(), option=orjson.OPT_SORT_KEYS)
        return sha256(bytes.fromhex(self.parent) + canonical).hexdigest()

    def same_content(self, other: "Manifest") -> bool:
        """True where both hold the same, whatever stands before them."""
        return _content(self) == _content(other)

    def to_json(self) -> dict[str, Any]:
        """The manifest as it is sealed."""
        return {
            "v": _FORMAT,
            "parent": self.parent,
            "goal": self.goal,
            "tools": dict(self.tools),
            "reflections": [list(segment) for segment in self.reflections],
            "binding": [self.binding.policy, self.binding.agent, self.binding.prompts],
            "label": [self.label.trusted, self.label.confidentiality.value],
            "epoch": self.epoch,
            "upto": self.upto,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Manifest":
        """The manifest that was sealed."""
        trusted, confidentiality = told["label"]
        return cls(
            told["parent"],
            told["goal"],
            told["tools"],
            tuple((count, cid) for count, cid in told["reflections"]),
            Binding(*told["binding"]),
            Label(trusted, Confidentiality(confidentiality)),
            told["epoch"],
            told["upto"],
        )


def check_size(what: str, value: Any, most: int) -> None:
    """Return where the value's canonical JSON has at most so many bytes.

    Raises:
        StateTooLarge: it has more.
        InvalidInput: it is no JSON.
    """
    try:
        size = len(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    except TypeError as error:
        raise InvalidInput(f"{what} is no JSON: {error}.") from error
    if size > most:
        raise StateTooLarge(f"{what} has {size} bytes as JSON; {most} are kept.")


def _content(manifest: Manifest) -> tuple[Any, ...]:
    return (
        manifest.goal,
        dict(manifest.tools),
        manifest.reflections,
        manifest.binding,
        manifest.label,
        manifest.epoch,
        manifest.upto,
    )
