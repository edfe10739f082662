"""The Lambda handler: passes API Gateway's events to the application, and its answers back.

Mangum translates between events and ASGI. It gets only HTTP events. The application gets the request's id and stage in
the ASGI scope, so that it never reads an event.
"""

import json
import logging
from typing import Any

from mangum import Mangum
from mangum.types import ASGI
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.aws import event as events
from backend.aws.answer import deliverable
from backend.errors import ApiError, InternalError, MalformedRequest
from backend.telemetry import count, invocation, logger

logging.getLogger("mangum").setLevel(logging.WARNING)  # Mangum would write a second access line
MALFORMED = "Malformed HTTP event"
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
        self._state = GatewayState(app)
        self._mangum = Mangum(self._state, lifespan="off")  # the app has none; "auto" would try each time

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer one invocation. It raises no exception, whatever the event is: Lambda would invoke it again."""
        with invocation(context, correlation_id=events.request_id(event)):
            if not events.is_http(event):
                logger.info(NOT_HTTP, **events.summary(event))
                return {"detail": NOT_HTTP}
            self._state.is_reached = False
            try:
                return deliverable(self._mangum(events.readable(event), context))
            except events.UnreadableEvent as error:
                logger.warning(MALFORMED, reason=str(error))
            except Exception as error:  # noqa: BLE001  # any that Mangum raises, which no list of types can name
                if self._state.is_reached:  # the application answers its own errors: its answer could not be passed on
                    logger.error("Unhandled error", error=type(error).__name__)
                    count("UnhandledError")
                    return _response(InternalError())
                logger.warning(MALFORMED, error=type(error).__name__)  # Mangum could not read the event
            return _response(MalformedRequest("The request could not be read."))


class GatewayState:
    """ASGI middleware that puts the event's request id and stage into the scope's `state`.

    `request_id`: API Gateway's id of the request. `stage`: the prefix of the API's paths as a browser sees them, such
    as `/dev`; empty for the stage `$default`. `runs_alone`: this process has no other request meanwhile, because a
    Lambda instance has one at a time.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.is_reached = False
        """Whether the event could be read, so that the application got a request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.is_reached = True
        event = scope["aws.event"]
        state = scope.setdefault("state", {})
        state["runs_alone"] = True
        state["stage"] = events.requested_path(event).rpartition(scope["path"])[0]
        if request_id := events.request_id(event):
            state["request_id"] = request_id
        await self.app(scope, receive, send)


def _response(error: ApiError) -> dict[str, Any]:
    return {
        "statusCode": error.status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps({"detail": error.detail}),
        "isBase64Encoded": False,
    }
