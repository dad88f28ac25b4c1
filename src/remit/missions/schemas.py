"""What a skill takes and gives, held against the schemas that its agent declares."""

from typing import Any

import jsonschema_rs

from remit.errors import AgentFailed, InvalidInput
from remit.registry import AgentVersion

#: Places that are told of one value.
_PLACES_MAX = 5


def check_input(version: AgentVersion, skill: str, given: Any) -> None:
    """Return where the skill takes this.

    Raises:
        InvalidInput: it does not; the places are named, the values are not.
    """
    declared = version.skill(skill)
    if declared is not None and (places := _faults(declared.input_schema, given)):
        raise InvalidInput(f"{skill} takes other input at {places}.", rule="input_schema")


def check_output(version: AgentVersion, skill: str, output: Any) -> None:
    """Return where the skill may give this.

    Raises:
        AgentFailed: it gave something else than its agent declares; the places are named, the values are not.
    """
    declared = version.skill(skill)
    if declared is not None and (places := _faults(declared.output_schema, output)):
        raise AgentFailed(
            f"What {version.ref} gave for {skill} is not what it declares, at {places}.", rule="output_schema"
        )


def _faults(schema: Any, value: Any) -> str:
    if not schema:
        return ""
    faults = jsonschema_rs.validator_for(dict(schema)).iter_errors(value)
    places = sorted({".".join(map(str, fault.instance_path)) or "the top" for fault in faults})
    more = f" and {len(places) - _PLACES_MAX} more places" if len(places) > _PLACES_MAX else ""
    return ", ".join(places[:_PLACES_MAX]) + more
