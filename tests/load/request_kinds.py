"""One request of each kind: successes, refusals, and clients that hang up before their answer."""

import socket
import struct
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2

from tests.support.people import Person

SETTINGS = {
    "SIGNUPS_PER_ADDRESS": "10000",
    "SIGNIN_FAILURES_PER_ACCOUNT_AND_ADDRESS": "10000",
    "SIGNIN_FAILURES_PER_ACCOUNT": "10000",
    "SIGNIN_FAILURES_PER_ADDRESS": "10000",
    "REFRESHES_PER_SIGN_IN": "1",
}
"""With these limits, each turn gets the same answers as the one before."""
JSON = {"Content-Type": "application/json"}
TOO_LARGE = b" " * 100_000
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def one_of_each_kind(ada: Person) -> Iterator[tuple[httpx2.Response, int]]:
    """Send one request of each kind. Gives each answer, and the status that it must have.

    It leaves no task and no open sign-in behind.
    """
    http, url = ada.http, str(ada.http.base_url)
    yield http.get("/"), 200
    created = ada.post("/api/tasks", json={"title": "Buy milk", "description": "two litres"})
    yield created, 201
    path = f"/api/tasks/{created.json()['id']}"
    yield ada.get("/api/tasks"), 200
    yield ada.get(path), 200
    yield ada.put(path, json={"completed": True}), 200
    yield ada.put(path, json={"title": "Buy bread"}, headers={"If-Match": '"1"'}), 412
    yield ada.patch(f"{path}/toggle"), 200
    _hang_up(url, _head("GET", "/api/tasks", ada))
    yield ada.delete(path), 204
    yield ada.get(path), 404
    yield http.get("/api/tasks"), 401
    yield http.get("/api/tasks", headers={"Authorization": "Bearer a.b.c"}), 401
    yield ada.get("/api/nothing"), 404
    yield ada.post("/"), 405
    yield ada.post("/api/tasks", json={"title": ""}), 422
    yield ada.post("/api/tasks", content=b"{", headers=JSON), 400
    yield ada.post("/api/tasks", content=TOO_LARGE, headers=JSON), 413
    _hang_up(url, _head("POST", "/api/tasks", ada, length=1000) + b'{"title": "')
    yield http.post("/api/auth/signup", json={"email": ada.email, "password": ada.password}), 409
    yield http.post("/api/auth/signin", json={"email": ada.email, "password": "not the password"}), 401
    laptop = ada.sign_in_again()
    yield laptop.refresh(), 200
    yield laptop.refresh(), 429
    yield laptop.post("/api/auth/signout"), 200


def _hang_up(url: str, request: bytes) -> None:
    """Send the request and reset the connection."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(request)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


def _head(method: str, path: str, ada: Person, *, length: int = 0) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: {ada.headers['Authorization']}"]
    lines += ["Content-Type: application/json", f"Content-Length: {length}", "", ""]
    return "\r\n".join(lines).encode()
