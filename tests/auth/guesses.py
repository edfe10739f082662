"""Sign-ins with wrong passwords, and what the rate limits count of them."""

from uuid import uuid4

import httpx2
from pg8000.native import Connection as OwnerConnection
from starlette.testclient import TestClient

from backend.auth import rate_limits
from tests.conftest import SECRET
from tests.support.people import PASSWORD

WRONG_PASSWORD = "a wrong password"
LIMIT = 10
"""How many wrong passwords for one account get an answer from one address, unless a test says otherwise."""


def sign_in(http: httpx2.Client, email: str, password: str = WRONG_PASSWORD, **headers: str) -> httpx2.Response:
    return http.post("/api/auth/signin", json={"email": email, "password": password}, headers=headers)


def sign_up(http: httpx2.Client) -> httpx2.Response:
    body = {"email": some_email(), "password": PASSWORD, "name": "Ada"}
    return http.post("/api/auth/signup", json=body)


def some_email() -> str:
    return f"{uuid4().hex}@example.com"


def guess(http: httpx2.Client, email: str, times: int) -> list[int]:
    """Try a wrong password so many times. Gives the statuses."""
    return [sign_in(http, email).status_code for _ in range(times)]


def client_at(address: str, client: httpx2.Client) -> TestClient:
    """A client of the same application at another address."""
    assert isinstance(client, TestClient)
    return TestClient(client.app, client=(address, 50000), raise_server_exceptions=False)


def hits(owner: OwnerConnection, email: str, address: str) -> list[int]:
    """How many guesses are counted for account and address together, for the account, and for the address."""
    limits = [
        rate_limits.Limit("guesses per account and address", f"{email}\0{address}", 0),
        rate_limits.Limit("guesses per account", email, 0),
        rate_limits.Limit("guesses per address", address, 0),
    ]
    keys = rate_limits.window(SECRET, 900, limits).keys
    counts = dict(owner.run("select key, cardinality(hits) from rate_limits where key = any(:keys)", keys=list(keys)))
    return [counts.get(key, 0) for key in keys]
