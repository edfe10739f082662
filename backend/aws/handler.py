"""The Lambda handler: passes API Gateway's events to the application, and its answers back.

Mangum translates between events and ASGI. It gets only HTTP events. The application gets the request's id and stage in
the ASGI scope, so that it never reads an event.
"""

import json
import logging
from typing import Any

from anyio._backends import _asyncio  # noqa: F401  # the first request would import it
from mangum import Mangum
from mangum.types import ASGI
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.aws import event as events
from backend.errors import MalformedRequest
from backend.telemetry import invocation, logger

logging.getLogger("mangum").setLevel(logging.WARNING)  # Mangum would write a second access line
NOT_HTTP = "Not an HTTP request: nothing was done"


class GatewayHandler:
    """Gives HTTP events to the application, and logs all others."""

    def __init__(self, app: ASGI) -> None:
        self.app = app

    @property
    def app(self) -> ASGI:
        """The application that answers the requests."""
        return self._app

    @app.setter
    def app(self, app: ASGI) -> None:
        self._app = app
        self._mangum = Mangum(GatewayState(app), lifespan="off")  # the app has none; "auto" would try each time

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer one invocation. A malformed event does not raise an exception."""
        with invocation(context, correlation_id=events.request_id(event)):
            if not events.is_http(event):
                logger.info(NOT_HTTP, **events.summary(event))
                return {"detail": NOT_HTTP}
            try:
                events.require_method(event)
                return self._mangum(events.without_stage(event), context)
            except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
                # The application answers its own errors. These come from Mangum, which could not read the event.
                logger.warning("Malformed HTTP event", error=type(error).__name__)
                return _malformed_request_response()


class GatewayState:
    """ASGI middleware that puts the event's request id and stage into the scope's `state`.

    `request_id`: API Gateway's id of the request. `stage`: the prefix of the API's paths as a browser sees them, such
    as `/dev`; empty for the stage `$default`. `runs_alone`: this process has no other request meanwhile, because a
    Lambda instance has one at a time.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        event = scope["aws.event"]
        state = scope.setdefault("state", {})
        state["runs_alone"] = True
        state["stage"] = events.requested_path(event).rpartition(scope["path"])[0]
        if request_id := events.request_id(event):
            state["request_id"] = request_id
        await self.app(scope, receive, send)


def _malformed_request_response() -> dict[str, Any]:
    return {
        "statusCode": MalformedRequest.status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps({"detail": "The request could not be read."}),
        "isBase64Encoded": False,
    }
