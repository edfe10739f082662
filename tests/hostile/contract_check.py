"""Checks that an answer keeps to the contract: known status, headers, shape of errors, and no disclosed secret."""

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.conftest import ORIGIN
from tests.support.contract import OPERATIONS
from tests.web.test_headers import ALWAYS

SECRET_MARK = "hunter2-was-here"
"""The secret that hostile requests send. No refusal repeats it."""
STATUSES_OF_ANY_PATH = {200, 400, 404, 405}
"""Of preflights and refused preflights, of unknown paths, and of methods that a path does not have."""
KNOWN_STATUSES = STATUSES_OF_ANY_PATH | {
    int(status) for _, _, operation in OPERATIONS for status in operation["responses"]
} - {500}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer of a server or of the function. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_from_uvicorn(self) -> bool:
        """Whether uvicorn refused malformed HTTP. The application did not see it, so the contract does not apply."""
        return self.status == 400 and self.body == b"Invalid HTTP request received."

    def json(self) -> Any:
        return json.loads(self.body)


def check_contract(answer: Answer, *, origin: str | None = ORIGIN, method: bytes = b"GET") -> None:
    """Fail unless the answer keeps to the contract.

    :param origin: the allowed origin of the request, if it had one
    :param method: the method of the request; the answer to HEAD has no body
    """
    assert answer.status in KNOWN_STATUSES
    assert {name: answer.headers.get(name.lower()) for name in ALWAYS} == ALWAYS
    assert re.fullmatch(r"[0-9a-f-]{32,36}", answer.headers["x-request-id"])
    assert answer.headers.get("access-control-allow-origin") == origin
    if method == b"HEAD":
        assert not answer.body
    elif answer.status >= 400:
        check_refusal(answer)


def check_refusal(answer: Answer) -> None:
    """Fail unless this is an error in the contract's shape that does not repeat the secret."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == ({"detail", "errors"} if answer.status == 422 else {"detail"})
    assert body["detail"]
    assert isinstance(body["detail"], str)
    for error in body.get("errors", ()):
        assert {name: type(value) for name, value in error.items()} == {"field": str, "message": str}
    assert SECRET_MARK not in f"{answer.body!r}{answer.headers}"
