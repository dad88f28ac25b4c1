"""What may be asked of a model in OpenAI's forms, and what it may cost at most. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from remit.errors import InvalidArguments

#: A token of prose is seldom shorter than three bytes; figures and codes are, hence a tenth and a fixed part on top.
_BYTES_PER_TOKEN = 3
_MARGIN_TOKENS = 200
#: What a picture that is given by its address is taken to weigh.
_LINKED_TOKENS = 3000
#: State that lives at the provider under Remit's own account: another agent's could be read there. The endpoint for
#: agents resolves `previous_response_id` from the record before it comes here.
_KEPT_ELSEWHERE = ("previous_response_id", "conversation", "prompt", "background")
#: Fields that name what the provider may do by itself or for somebody; Remit decides both.
_REMOVED = ("store", "user", "safety_identifier", "metadata", "service_tier")


@dataclass(frozen=True, slots=True)
class Operation:
    """One of the endpoint's calls."""

    name: str
    path: str
    #: The field that bounds what is answered; None where nothing is written.
    limits: tuple[str, ...] = ()
    #: The field that every request has.
    needs: str = ""


OPERATIONS = {
    "chat": Operation("chat", "/chat/completions", ("max_completion_tokens", "max_tokens"), "messages"),
    "responses": Operation("responses", "/responses", ("max_output_tokens",), "input"),
    "embeddings": Operation("embeddings", "/embeddings", (), "input"),
}


def operation(arguments: Mapping[str, Any]) -> Operation:
    """The operation that a call of a model's tool asks for."""
    return OPERATIONS[arguments["operation"]]


def checked(wanted: Operation, request: Mapping[str, Any]) -> None:
    """Look at a request as it came.

    Raises:
        InvalidArguments: it lacks what every request has, or asks the provider for what would pass by the door.
    """
    if not request.get(wanted.needs):
        raise InvalidArguments(f"`{wanted.needs}` is missing or empty.", rule="request_incomplete")
    for name in _KEPT_ELSEWHERE:
        if request.get(name):
            raise InvalidArguments(
                f"`{name}` names what is kept at the provider, where agents are not told apart.",
                hint="Send the whole conversation with each request.",
                rule="state_elsewhere",
            )
    tools = request.get("tools") or []
    if not isinstance(tools, list):
        raise InvalidArguments("`tools` is not a list.", rule="request_malformed")
    if not isinstance(request.get("stream_options") or {}, Mapping):
        raise InvalidArguments("`stream_options` is not an object.", rule="request_malformed")
    for tool in tools:
        kind = tool.get("type") if isinstance(tool, Mapping) else None
        if kind not in ("function", "custom"):
            raise InvalidArguments(
                f"A tool of type {kind!r} would be run by the provider, past the door.",
                hint="Offer tools of type `function`; the agent calls them through Remit.",
                rule="hosted_tool",
            )
    for name in ("n", *wanted.limits):
        value = request.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise InvalidArguments(f"`{name}` is not a whole number of at least 1.", rule="request_malformed")


def prepared(
    wanted: Operation, request: Mapping[str, Any], *, model: str, output_tokens_max: int, limit_field: str
) -> dict[str, Any]:
    """The request as it is sent on: the model's own name, a bound on the answer, and usage also in a stream."""
    sent = {name: value for name, value in request.items() if name not in _REMOVED and value is not None}
    sent["model"] = model
    if wanted.limits:
        field = limit_field if wanted.name == "chat" else wanted.limits[0]
        for name in wanted.limits:
            sent.pop(name, None)
        sent[field] = output_tokens(wanted, request, output_tokens_max)
    if wanted.name == "responses":
        sent["store"] = False
    if wanted.name == "chat" and sent.get("stream"):
        sent["stream_options"] = {**(sent.get("stream_options") or {}), "include_usage": True}
    return sent


def output_tokens(wanted: Operation, request: Mapping[str, Any], output_tokens_max: int) -> int:
    """The most tokens that one answer may have."""
    if not wanted.limits:
        return 0
    asked = min((request[name] for name in wanted.limits if request.get(name)), default=output_tokens_max)
    return min(int(asked), output_tokens_max)


def worst_tokens(wanted: Operation, request: Mapping[str, Any], output_tokens_max: int) -> tuple[int, int]:
    """Tokens in and out that a request is taken to use at most: its size over-estimated, and every token allowed."""
    size = len(orjson.dumps(request, option=orjson.OPT_NON_STR_KEYS))
    tokens_in = size * 11 // (_BYTES_PER_TOKEN * 10) + _MARGIN_TOKENS + _LINKED_TOKENS * _links(request)
    return tokens_in, output_tokens(wanted, request, output_tokens_max) * int(request.get("n") or 1)


def _links(value: Any) -> int:
    """How many pictures or files are given by an address that the provider follows."""
    if isinstance(value, Mapping):
        found = sum(_links(item) for item in value.values())
        address = value.get("image_url") or value.get("file_url")
        if isinstance(address, Mapping):
            address = address.get("url")
        return found + (isinstance(address, str) and address.startswith(("http://", "https://")))
    if isinstance(value, list):
        return sum(_links(item) for item in value)
    return 0
