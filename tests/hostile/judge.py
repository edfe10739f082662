"""What every answer has to be, whatever was asked: the contract's error shape, its headers, and nothing given away."""

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.conftest import ORIGIN
from tests.support.contract import OPERATIONS
from tests.web.test_headers import ALWAYS

MARK = "hunter2-was-here"
"""Stands wherever a client puts a secret; no refusal repeats it."""
OF_ANY_ADDRESS = {200, 400, 404, 405}
"""Preflights and their refusal, unknown addresses, methods that an address does not have."""
KNOWN = OF_ANY_ADDRESS | {int(status) for _, _, operation in OPERATIONS for status in operation["responses"]} - {500}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, wherever it came from. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_the_server_s_own(self) -> bool:
        """Whether uvicorn refused what is no HTTP: then no application was asked, and it knows no contract."""
        return self.status == 400 and self.body == b"Invalid HTTP request received."

    def json(self) -> Any:
        return json.loads(self.body)


def check(answer: Answer, *, origin: str | None = ORIGIN, method: bytes = b"GET") -> None:
    """Fail unless the answer keeps to the contract.

    :param origin: who asked, where a page that may did
    :param method: how; the answer to HEAD has no body
    """
    assert answer.status in KNOWN
    assert {name: answer.headers.get(name.lower()) for name in ALWAYS} == ALWAYS
    assert re.fullmatch(r"[0-9a-f-]{32,36}", answer.headers["x-request-id"])
    assert answer.headers.get("access-control-allow-origin") == origin
    if method == b"HEAD":
        assert not answer.body
    elif answer.status >= 400:
        check_refusal(answer)


def check_refusal(answer: Answer) -> None:
    """Fail unless this is an error as the frontend shows it, without anything of what was sent in confidence."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == ({"detail", "errors"} if answer.status == 422 else {"detail"})
    assert body["detail"]
    assert isinstance(body["detail"], str)
    for error in body.get("errors", ()):
        assert {name: type(value) for name, value in error.items()} == {"field": str, "message": str}
    assert MARK not in f"{answer.body!r}{answer.headers}"
