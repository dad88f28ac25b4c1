"""What went wrong with a request, told without a word of the prompt, the key or the provider's answer."""

import re

from pydantic_ai.exceptions import (
    ContentFilterError,
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelTimeoutError,
    UnexpectedModelBehavior,
    UserError,
)

from remit.adapters.openai.prices import CURRENCY
from remit.adapters.pydantic_ai.way_out import stopped
from remit.errors import ToolUnavailable, ToolUnreachable
from remit.gateway.transport import ToolResult, Usage
from remit.quantities import Money

#: Answers that another try may not get: timeout, conflict, too early, too many. So is every 5xx.
_PASSING = frozenset({408, 409, 425, 429})
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def refused(error: str) -> ToolResult:
    """A request that was not answered and is not charged for."""
    return ToolResult(content=None, error=error, usage=Usage(Money(0, CURRENCY)))


def failure(error: Exception) -> ToolUnreachable | ToolResult:
    """The error to raise, or the model's own refusal to give back."""
    if (ours := stopped(error)) is not None:
        return ours
    if isinstance(error, ModelHTTPError):
        return _status(error)
    if isinstance(error, ContentFilterError):
        return ToolResult(content=None, error="content_filter: the provider's filter stopped the answer")
    if isinstance(error, UserError):
        return refused("invalid_arguments: the model does not take such a request")
    return ToolUnavailable(_cause(error), rule="not_sent") if _unsent(error) else ToolUnreachable(_cause(error))


def _status(error: ModelHTTPError) -> ToolUnreachable | ToolResult:
    status = error.status_code
    if status in _PASSING or status >= 500:
        return ToolUnavailable(f"The model's endpoint answered {status}.")
    code = error.provider_error_code or ""
    named = f" ({code})" if _CODE.fullmatch(code) else ""
    return refused(f"http_{status}: the model's provider refused the request{named}")


def _cause(error: Exception) -> str:
    if isinstance(error, ModelTimeoutError | TimeoutError):
        return "The model did not answer in time."
    if isinstance(error, ModelConnectionError):
        return f"The connection to the model failed ({error.phase or 'unknown phase'})."
    if isinstance(error, ModelAPIError | UnexpectedModelBehavior):
        return "The model's endpoint answered what is no answer of a model."
    return f"The request to the model failed ({type(error).__name__})."


def _unsent(error: Exception) -> bool:
    return isinstance(error, ModelConnectionError) and error.phase in ("pool", "connect")
