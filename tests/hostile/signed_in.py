"""Hooks of Schemathesis.

Each of its requests has a sign-in of its own, so that a sign-out ends no other request. None has a title or a name of
which the document's schema says less than its sentence: invisible text, and white space around it
(backend/web/text.py; tests/web/test_text.py compares the two).
"""

import os
from typing import Any

import httpx2
import schemathesis

from backend.auth.schemas import SignUp
from backend.tasks.schemas import TaskCreate
from tests.web.test_text import code_accepts, schema_accepts

CREDENTIALS = {"email": os.environ["EMAIL"], "password": os.environ["PASSWORD"]}


@schemathesis.hook
def filter_body(context: schemathesis.HookContext, body: Any) -> bool:
    """Whether the body may be sent."""
    members = ((TaskCreate, "title"), (SignUp, "name"))
    texts = ((model, member, body.get(member)) for model, member in members) if isinstance(body, dict) else ()
    return not any(
        isinstance(text, str) and schema_accepts(model, member, text) != code_accepts(model, member, text)
        for model, member, text in texts
    )


@schemathesis.auth(refresh_interval=None)
class SignedIn:
    def __init__(self) -> None:
        self.http = httpx2.Client(base_url=os.environ["API"])

    def get(self, case: schemathesis.Case[Any], context: schemathesis.AuthContext) -> str:
        response = self.http.post("/api/auth/signin", json=CREDENTIALS)
        return str(response.raise_for_status().json()["access_token"])

    def set(self, case: schemathesis.Case[Any], data: str, context: schemathesis.AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"
