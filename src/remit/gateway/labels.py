"""Labels: what a piece of work has read, computed by the door and never claimed by an agent.

A label says whether anything came from outside, and how widely it may be told. What an agent or a model writes carries
the join of all that it has read. Nothing lowers a label again but a person's answer to exactly one call.
"""

from collections.abc import Mapping
from typing import Any

from remit.gateway.call import Question
from remit.tools import Confidentiality, Label, Tool


def label_of_answer(tool: Tool, read: Label) -> Label:
    """The label of a tool's answer to work that had read this.

    A directory's answer is trusted whoever asked, but tells what it was asked with. A model's carries all of it.
    """
    if tool.model:
        return read
    return Label(tool.directory, read.join(Label(confidentiality=tool.confidentiality)).confidentiality)


def recorded_label(done: Mapping[str, Any]) -> Label:
    """The label in a call's outcome; entries from before confidentiality was recorded are internal."""
    return Label(done["trusted"], Confidentiality(done.get("confidentiality", Confidentiality.INTERNAL)))


def label_fields(label: Label) -> dict[str, Any]:
    """The label as it stands in a call's outcome; internal, the most common, is not written."""
    told = {} if label.confidentiality is Confidentiality.INTERNAL else {"confidentiality": label.confidentiality.value}
    return {"trusted": label.trusted, **told}


def check_clearance(tool: Tool, read: Label) -> list[Question]:
    """A question for a person where the work has read more than may be told to this tool."""
    cleared = tool.cleared_for
    if cleared is None or cleared.covers(read.confidentiality):
        return []
    message = f"{tool.name} may be told what is {cleared}; this work has read what is {read.confidentiality}."
    return [Question("flow_clearance", message)]
