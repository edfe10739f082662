"""A hook of Schemathesis. Each of its requests has a sign-in of its own, so that a sign-out ends no other request."""

import os
from typing import Any

import httpx2
import schemathesis

CREDENTIALS = {"email": os.environ["EMAIL"], "password": os.environ["PASSWORD"]}


@schemathesis.auth(refresh_interval=None)
class SignedIn:
    def __init__(self) -> None:
        self.http = httpx2.Client(base_url=os.environ["API"])

    def get(self, case: schemathesis.Case[Any], context: schemathesis.AuthContext) -> str:
        response = self.http.post("/api/auth/signin", json=CREDENTIALS)
        return str(response.raise_for_status().json()["access_token"])

    def set(self, case: schemathesis.Case[Any], data: str, context: schemathesis.AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"
