"""The protocol's methods that are not built here: each answers with the protocol's own error."""

# ruff: noqa: ARG002 -- the library says what each method is given

from typing import Any, NoReturn

from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.utils.errors import (
    ExtendedAgentCardNotConfiguredError,
    PushNotificationNotSupportedError,
    UnsupportedOperationError,
)


class Unbuilt(RequestHandler):
    """Lists of tasks, push notifications and extended cards: none of them is offered."""

    async def on_list_tasks(self, params: Any, context: Any) -> NoReturn:
        raise UnsupportedOperationError("Tasks are looked at one by one.")

    async def on_create_task_push_notification_config(self, params: Any, context: Any) -> NoReturn:
        raise PushNotificationNotSupportedError

    async def on_get_task_push_notification_config(self, params: Any, context: Any) -> NoReturn:
        raise PushNotificationNotSupportedError

    async def on_list_task_push_notification_configs(self, params: Any, context: Any) -> NoReturn:
        raise PushNotificationNotSupportedError

    async def on_delete_task_push_notification_config(self, params: Any, context: Any) -> NoReturn:
        raise PushNotificationNotSupportedError

    async def on_get_extended_agent_card(self, params: Any, context: Any) -> NoReturn:
        raise ExtendedAgentCardNotConfiguredError
