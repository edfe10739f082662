"""Reads API Gateway events from `events/*.json`, and replaces their placeholders by values that exist in the database.

`<access_token>`, `<refresh_token>`, `<email>`, `<password>` and `<task_id>` belong to a user who has just signed up.
`<foreign_task_id>` is a task of another user, `<expired_token>` expired a minute ago, and `<new_email>` has no account.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

from backend.auth.tokens import Kind, Tokens
from dev.user_error import UserError

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
PLACEHOLDER = re.compile(r"<(\w+)>")
PASSWORD = "correct horse battery staple"  # noqa: S105  # of the users that each run creates

Send = Callable[[dict[str, Any]], dict[str, Any]]
"""Sends an event to the function and returns its answer, as API Gateway would get it."""


def read(path: Path) -> Any:
    """The event in the file `path`.

    :raises UserError: there is no such file, or it is not JSON
    """
    try:
        return json.loads(path.read_text())
    except OSError:
        known = " ".join(sorted(str(event) for event in Path("events").glob("*.json")))
        raise UserError(f"There is no {path}; there are {known}") from None
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}") from None


def http_event(
    method: str, path: str, *, body: object = None, token: str | None = None, headers: Mapping[str, str] = NO_HEADERS
) -> dict[str, Any]:
    """The event that an HTTP API makes of a request (payload 2.0), without members that the function does not read.

    :param headers: more headers, with their names in lower case
    """
    all_headers = {"content-type": "application/json", "host": "localhost", "x-forwarded-proto": "https", **headers}
    if token:
        all_headers["authorization"] = f"Bearer {token}"
    http = {
        "method": method,
        "path": path,
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "dev.local_lambda.events",
    }
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": all_headers,
        "requestContext": {"http": http, "requestId": uuid4().hex, "routeKey": "$default", "stage": "$default"},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def fill(event: Any, *, send: Send, secret: str) -> Any:
    """The event with its placeholders replaced.

    :param send: sends the requests that create the users and tasks
    :param secret: signs the expired token
    :raises UserError: a placeholder is unknown, or a user or task could not be created
    """
    text = json.dumps(event)
    names = set(PLACEHOLDER.findall(text))
    if not names:
        return event
    values = _values(names, send, secret)
    if unknown := names - set(values):
        raise UserError(f"The event has an unknown placeholder, <{min(unknown)}>; known are <{'>, <'.join(values)}>")
    return json.loads(PLACEHOLDER.sub(lambda match: values[match[1]], text))


def _values(names: set[str], send: Send, secret: str) -> dict[str, str]:
    ada, email = _sign_up(send)
    values = {
        "access_token": ada["access_token"],
        "refresh_token": ada["refresh_token"],
        "email": email,
        "password": PASSWORD,
        "new_email": _new_email(),
        "expired_token": _expired_token(ada["access_token"], secret),
        "task_id": _create_task(send, ada),  # always, so that a list is not empty
        "foreign_task_id": "",
    }
    if "foreign_task_id" in names:
        ben, _ = _sign_up(send)
        values["foreign_task_id"] = _create_task(send, ben)
    return values


def _sign_up(send: Send) -> tuple[dict[str, Any], str]:
    email = _new_email()
    body = {"email": email, "password": PASSWORD, "name": "Ada Lovelace"}
    return _created(send(http_event("POST", "/api/auth/signup", body=body))), email


def _create_task(send: Send, owner: dict[str, Any]) -> str:
    event = http_event("POST", "/api/tasks", body={"title": "Buy milk"}, token=owner["access_token"])
    return str(_created(send(event))["id"])


def _created(answer: dict[str, Any]) -> dict[str, Any]:
    if answer.get("statusCode") != 201:
        raise UserError(f"The event cannot be prepared: the function answers {answer.get('body', answer)}")
    created: dict[str, Any] = json.loads(answer["body"])
    return created


def _expired_token(access_token: str, secret: str) -> str:
    tokens = Tokens(secret)
    claims = tokens.verify(access_token, Kind.ACCESS)
    user, sign_in = UUID(str(claims.user_id)), UUID(str(claims.sid))
    now = int(time.time())
    return tokens.sign(Kind.ACCESS, user_id=user, sign_in_id=sign_in, issued_at=now - 960, expires_at=now - 60)


def _new_email() -> str:
    return f"{uuid4().hex}@example.com"
