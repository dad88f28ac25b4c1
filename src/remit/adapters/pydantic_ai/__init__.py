"""Language models, reached through pydantic-ai: one request in, one answer out, with its tokens and their price.

`ModelTransport` is the source `model` with the one tool `chat`; `DoorModel` lets an agent that is written with
pydantic-ai ask through the door. Importing this folder does not import pydantic-ai (1.2 s and more): that waits for the
first request, or for `DoorModel`.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from remit.errors import InvalidSetting

if find_spec("pydantic_ai") is None:
    raise InvalidSetting(
        "A language model is configured, but the package that speaks to it is not installed.",
        hint="Install it: `pip install 'remit[models]'`.",
    )

from remit.adapters.pydantic_ai.transport import ModelTransport

if TYPE_CHECKING:
    from remit.adapters.pydantic_ai.door_model import DoorModel

__all__ = ["DoorModel", "ModelTransport"]


def __getattr__(name: str) -> Any:
    if name == "DoorModel":
        from remit.adapters.pydantic_ai.door_model import DoorModel  # noqa: PLC0415 - imports pydantic-ai

        return DoorModel
    raise AttributeError(name)
