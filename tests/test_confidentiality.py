"""Nothing confidential leaves the process, neither in the log nor in the answer to an error."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pg8000.native import Connection as OwnerConnection

from tests.support.database_copy import LOGIN_PASSWORD, DatabaseCopy

AUTH_SECRET = "confidential-secret-that-signs-everything-0123456789"
PREVIOUS_SECRET = "confidential-secret-that-signed-before-0123456789"
PASSWORD = "confidential-Passw0rd-of-ada"
WRONG = "confidential-Wr0ng-guess"
SHORT = "c0nfid"
EMAIL, BENS_EMAIL, UNKNOWN_EMAIL = (
    "confidential.ada@example.com",
    "confidential.ben@example.com",
    "confidential.eve@example.org",
)
NAME = "Confidential Ada"
TITLE = "confidential title of a task"
BROKEN_HASH = "$confidential$broken-hash"
CHILD_SECONDS = 30

SQL = re.compile(
    r"\b(select|insert\s+into|update|delete\s+from|set\s+local|returning)\b\s+[a-z_$(*\"]"
    r"|set_config|password_hash|refresh_tokens|rate_limits|current_jti|rotated_at|app\.user_id|todo_(auth|user|api)",
    re.IGNORECASE,
)


class RecordedSession:
    """A client of the API that keeps all answers, and everything that must stay confidential."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http
        self.answers: list[httpx2.Response] = []
        self.secrets = {
            *(AUTH_SECRET, PREVIOUS_SECRET, PASSWORD, WRONG, SHORT, NAME, TITLE, BROKEN_HASH),
            *(LOGIN_PASSWORD, LOGIN_PASSWORD.replace(" ", "%20")),
        }
        for email in (EMAIL, BENS_EMAIL, UNKNOWN_EMAIL):
            self.secrets |= {email, email.partition("@")[0], email.upper()}

    def send(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = self._http.request(method, path, headers={**headers, **options.pop("headers", {})}, **options)
        self.answers.append(response)
        if response.status_code in (200, 201) and "access_token" in response.text:
            for name in ("access_token", "refresh_token"):
                self.add_secret(response.json()[name])
        return response

    def add_secret(self, token: str) -> None:
        self.secrets |= {token, *token.split(".")}

    def post(self, path: str, body: object = None, token: str | None = None) -> httpx2.Response:
        return self.send("POST", path, token, json=body)

    def statuses(self) -> set[int]:
        return {answer.status_code for answer in self.answers}

    def secrets_in(self, text: str) -> list[str]:
        """The secrets that this text contains."""
        return [secret for secret in self.secrets if secret in text]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the server's standard output and error go."""
    return tmp_path / "log"


@pytest.fixture
def server(fresh_database: DatabaseCopy, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server whose address is `server.args[-1]`, and which writes to `log`."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "DATABASE_URL": fresh_database.url,
        "DATABASE_POOL_SIZE": "5",
        "BETTER_AUTH_SECRET": AUTH_SECRET,
        "BETTER_AUTH_SECRET_PREVIOUS": PREVIOUS_SECRET,
        "FRONTEND_URL": "http://localhost:3000",
        "LOG_LEVEL": "DEBUG",
        "REFRESH_REUSE_LEEWAY_SECONDS": "0",
        "REFRESHES_PER_SIGN_IN": "3",
        "SIGNIN_FAILURES_PER_ACCOUNT_AND_ADDRESS": "2",
    }
    with socket.socket() as listening, log.open("wb") as output:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # from here on, clients may connect and wait
        command = [sys.executable, "-m", "tests.support.debug_server", str(listening.fileno())]
        child = subprocess.Popen(
            [*command, f"http://127.0.0.1:{listening.getsockname()[1]}"],
            env=environment,
            cwd=tempfile.gettempdir(),
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[listening.fileno()],
        )
    yield child
    child.send_signal(signal.SIGTERM)
    child.wait(CHILD_SECONDS)


def provoke_every_answer(session: RecordedSession, owner: OwnerConnection) -> None:
    """Send requests that get every kind of answer, including all failures."""
    account = {"email": EMAIL, "password": PASSWORD, "name": NAME}
    bens_account = {**account, "email": BENS_EMAIL}
    auth = session.post("/api/auth/signup", account).json()
    bens = session.post("/api/auth/signup", bens_account).json()
    token = auth["access_token"]

    session.post("/api/auth/signup", account)
    for wrong in (
        {"password": SHORT},
        {"password": [PASSWORD]},
        {"password": PASSWORD * 50},
        {"email": f"{EMAIL} {PASSWORD}"},
        {"email": {PASSWORD: EMAIL}},
        {"name": NAME * 20},
        {"name": None},
    ):
        session.post("/api/auth/signup", {**account, **wrong})
    session.post("/api/auth/signup", [EMAIL, PASSWORD])
    malformed = f'{{"email": "{EMAIL}", "password": "{PASSWORD}'
    for headers in ({"Content-Type": "application/json"}, {"Content-Type": "text/plain"}):
        session.send("POST", "/api/auth/signin", content=malformed, headers=headers)
    session.send("POST", "/api/auth/signin", content=PASSWORD.encode() + b"\xff", headers=headers)
    session.post("/api/auth/signup", {**account, "name": PASSWORD * 5000})

    task = session.post("/api/tasks", {"title": TITLE}, token).json()
    session.post("/api/tasks", {"title": TITLE * 20}, token)
    session.send("PUT", f"/api/tasks/{task['id']}", token, json={"completed": PASSWORD})
    session.send("PUT", f"/api/tasks/{task['id']}", token, json={"title": TITLE}, headers={"If-Match": '"7"'})
    session.send("GET", f"/api/tasks/{task['id']}", bens["access_token"])
    session.send("GET", "/api/tasks/not-an-id", token)
    session.send("GET", "/api/tasks", token)
    session.send("TRACE", "/api/tasks", token)
    session.send("GET", "/nowhere", token)
    forged = f"{token[:-4]}AAAA"
    session.add_secret(forged)
    session.send("GET", "/api/tasks", forged)
    session.post("/api/auth/refresh", {"refresh_token": forged})
    session.post("/api/auth/refresh", {"refresh_token": [auth["refresh_token"]]})

    session.post("/api/auth/signin", {"email": EMAIL, "password": PASSWORD})
    for email in (EMAIL, UNKNOWN_EMAIL) * 3:
        session.post("/api/auth/signin", {"email": email, "password": WRONG})
    newest = auth["refresh_token"]
    for _ in range(4):
        answer = session.post("/api/auth/refresh", {"refresh_token": newest})
        newest = answer.json().get("refresh_token", newest)
    session.post("/api/auth/refresh", {"refresh_token": auth["refresh_token"]})
    session.send("GET", "/api/tasks", token)
    session.post("/api/auth/signout", token=bens["access_token"])
    session.post("/api/auth/signout", token=bens["access_token"])

    # Failures of a broken database, whose messages in PostgreSQL contain values and statements.
    [[ben]] = owner.run("select password_hash from users where email = :email", email=BENS_EMAIL)
    session.secrets |= {ben, *(part for part in ben.split("$") if len(part) > 20)}
    owner.run("update users set password_hash = :broken where email = :email", broken=BROKEN_HASH, email=BENS_EMAIL)
    session.post("/api/auth/signin", {"email": BENS_EMAIL, "password": PASSWORD})
    owner.run("update users set password_hash = :hash where email = :email", hash=ben, email=BENS_EMAIL)
    bens = session.post("/api/auth/signin", {"email": BENS_EMAIL, "password": PASSWORD}).json()
    owner.run(f"alter table users add constraint picky check (email <> '{UNKNOWN_EMAIL}')")
    session.post("/api/auth/signup", {**account, "email": UNKNOWN_EMAIL})
    owner.run(f"alter table tasks add constraint picky check (title <> '{TITLE} 2')")
    session.post("/api/tasks", {"title": f"{TITLE} 2"}, bens["access_token"])
    owner.run("alter table rate_limits rename to rate_limits_gone")
    session.post("/api/auth/signin", {"email": BENS_EMAIL, "password": PASSWORD})
    owner.run("alter table tasks drop column title")
    session.send("GET", "/api/tasks", bens["access_token"])
    owner.run("do $$ begin execute format('revoke connect on database %I from public', current_database()); end $$")
    owner.run(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    session.send("GET", "/api/tasks", bens["access_token"])
    session.send("GET", "/api/health")


@pytest.mark.real_passwords
@pytest.mark.spec("SC-018", "NFR-007", "NFR-008", "NFR-015", "FR-034", "US3-4", "US3-9")
def test_neither_the_log_nor_errors_contain_anything_confidential(
    server: subprocess.Popen[bytes], log: Path, fresh_database: DatabaseCopy
) -> None:
    assert isinstance(server.args, list)
    with fresh_database.connect_as_owner() as owner, httpx2.Client(base_url=str(server.args[-1])) as http:
        session = RecordedSession(http)
        provoke_every_answer(session, owner)
    server.send_signal(signal.SIGTERM)
    server.wait(CHILD_SECONDS)
    logged = log.read_text()

    assert session.statuses() >= {200, 201, 400, 401, 404, 405, 409, 412, 413, 422, 429, 500, 503}
    assert session.secrets_in(logged) == []
    assert [match[0] for match in SQL.finditer(logged)] == []
    assert logged.count('"message":"Request"') == len(session.answers)
    assert "Refresh token reused" in logged
    assert "Unhandled error" in logged
    assert "Database unavailable" in logged
    assert "DEBUG" in logged, "it was not as talkative as it gets"
    errors = [answer for answer in session.answers if answer.status_code >= 400]
    texts = {f"{answer.request.method} {answer.request.url}": f"{answer.headers}{answer.text}" for answer in errors}
    assert {
        request: session.secrets_in(answer) for request, answer in texts.items() if session.secrets_in(answer)
    } == {}
    assert [answer for answer in texts.values() if SQL.search(answer)] == []
    assert all(answer.headers["Cache-Control"] == "no-store" for answer in session.answers)
