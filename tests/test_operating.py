"""docs/operating.md: every statement and command of it does what the page says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pg8000.native import Connection as OwnerConnection
from starlette.testclient import TestClient

from tests.auth.guesses import LIMIT, client_at, guess, sign_in
from tests.conftest import SECRET, MakeClient
from tests.support.database_copy import DatabaseCopy
from tests.support.people import PASSWORD, Person

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "operating.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
TESTED_ELSEWHERE = {"Checking the database", "Backup and restore", "Moving to a new cluster"}
"""By tests/migrations."""
NEW_PASSWORD = "a password that Ada chose"

# What stands for Ada's own values on the page.
EMAIL = "ada@example.com"
USER_ID = "019a3d51-04b2-7e88-a1c6-5d3f9e2b7a14"
SIGN_IN_ID = "019a3d52-9c1e-7a40-8f3b-2d6c1e0a7b55"
HASH = "$argon2id$v=19$m=19456,t=12,p=1$…"
KEY = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def run_sql(owner: OwnerConnection, block: str, **values: str) -> list[list[object]]:
    """Run the statements of a block, with these values in place of the page's. Gives the rows of the last one."""
    for shown, value in values.items():
        assert globals()[shown] in block
        block = block.replace(globals()[shown], value)
    rows = None
    for statement in block.split(";\n"):
        if statement.strip():
            rows = owner.run(statement)
    return rows or []


def run_command(block: str, typed: str = "") -> str:
    """Run a command of the page in a shell, with this Python. Gives what it prints."""
    block = block.replace(".venv/bin/python", sys.executable)
    environment = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        ["bash", "-c", block], cwd=ROOT, env=environment, input=typed, text=True, capture_output=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def owner(fresh_database: DatabaseCopy) -> Iterator[OwnerConnection]:
    with fresh_database.connect_as_owner() as connection:
        yield connection


@pytest.fixture
def client(fresh_database: DatabaseCopy, make_client: MakeClient) -> TestClient:
    return make_client(database_url=fresh_database.url)


@pytest.fixture
def ada(client: TestClient) -> Person:
    return Person.sign_up(client)


@pytest.fixture
def ben(client: TestClient) -> Person:
    ben = Person.sign_up(client)
    ben.create_task()
    return ben


def test_the_page_has_no_statement_that_is_not_run_here() -> None:
    tested = {
        "Deleting an account": (1, 0),
        "Ending all sign-ins of a person": (2, 0),
        "Setting a new password for a person who lost theirs": (1, 1),
        "Reading the rate limits": (2, 1),
        "When tokens may have been stolen": (1, 0),
    }

    found = {title: (len(blocks(text, "sql")), len(blocks(text, "bash"))) for title, text in SECTIONS.items()}

    assert {title: found[title] for title in tested} == tested
    assert len(blocks(PAGE.partition("\n## ")[0], "sql")) == 1
    assert {title for title in found if title not in tested} == TESTED_ELSEWHERE


def test_a_user_is_found_by_email_and_by_id(owner: OwnerConnection, ada: Person, ben: Person) -> None:
    [block] = blocks(PAGE.partition("\n## ")[0], "sql")
    by_email, by_id = block.splitlines()

    assert run_sql(owner, by_email, EMAIL=ada.email) == run_sql(owner, by_id, USER_ID=ada.id)
    assert str(run_sql(owner, by_id, USER_ID=ben.id)[0][0]) == ben.id


@pytest.mark.spec("EDGE-deleted-users-tasks")
def test_a_deleted_account_is_gone_with_all_that_belongs_to_it(
    owner: OwnerConnection, ada: Person, ben: Person
) -> None:
    ada.create_task()
    [block] = blocks(SECTIONS["Deleting an account"], "sql")

    run_sql(owner, block, EMAIL=ada.email)

    assert ada.get("/api/tasks").status_code == 401
    assert ada.refresh().status_code == 401
    for table in ("tasks", "refresh_tokens"):
        assert owner.run(f"select count(*) from {table} where user_id = cast(:id as uuid)", id=ada.id) == [[0]]
    assert len(ben.tasks()) == 1


def test_all_sign_ins_of_a_person_end_at_once(owner: OwnerConnection, ada: Person, ben: Person) -> None:
    phone = ada.sign_in_again()
    all_of_them, _ = blocks(SECTIONS["Ending all sign-ins of a person"], "sql")

    run_sql(owner, all_of_them, EMAIL=ada.email)

    assert [device.get("/api/tasks").status_code for device in (ada, phone)] == [401, 401]
    assert [device.refresh().status_code for device in (ada, phone)] == [401, 401]
    assert ada.sign_in_again().tasks() == []
    assert len(ben.tasks()) == 1


def test_one_sign_in_ends_alone(owner: OwnerConnection, ada: Person) -> None:
    [[first]] = owner.run("select id from refresh_tokens")
    phone = ada.sign_in_again()
    _, one = blocks(SECTIONS["Ending all sign-ins of a person"], "sql")

    run_sql(owner, one, SIGN_IN_ID=str(first))

    assert [device.get("/api/tasks").status_code for device in (ada, phone)] == [401, 200]


@pytest.mark.real_passwords
def test_a_new_password_replaces_the_old_one_and_its_sign_ins(owner: OwnerConnection, ada: Person) -> None:
    section = SECTIONS["Setting a new password for a person who lost theirs"]
    [command], [statements] = blocks(section, "bash"), blocks(section, "sql")

    new_hash = run_command(command, f"{NEW_PASSWORD}\n").splitlines()[-1].removeprefix("Password: ")
    run_sql(owner, statements, HASH=new_hash, EMAIL=ada.email)

    assert sign_in(ada.http, ada.email, PASSWORD).status_code == 401
    assert sign_in(ada.http, ada.email, NEW_PASSWORD).status_code == 200
    assert ada.get("/api/tasks").status_code == 401


@pytest.mark.parametrize(("address", "limits"), [("198.51.100.7", 3), ("2001:db8:0:7::1", 4)])
def test_a_person_who_is_locked_out_can_be_let_in(
    owner: OwnerConnection, ada: Person, address: str, limits: int
) -> None:
    there = client_at(address, ada.http)
    guess(there, ada.email, LIMIT)
    assert sign_in(there, ada.email, PASSWORD).status_code == 429
    section = SECTIONS["Reading the rate limits"]
    [command], (show, remove) = blocks(section, "bash"), blocks(section, "sql")

    keys = run_command(command.replace(EMAIL, ada.email).replace("198.51.100.7", address), f"{SECRET}\n")
    shown = run_sql(owner, show)
    run_sql(owner, remove, KEY=keys)

    assert {row[0] for row in shown if row[1] == LIMIT} == set(keys.split("','"))
    assert len(keys.split("','")) == limits
    assert sign_in(there, ada.email, PASSWORD).status_code == 200


def test_every_sign_in_can_be_ended(owner: OwnerConnection, ada: Person, ben: Person) -> None:
    [block] = blocks(SECTIONS["When tokens may have been stolen"], "sql")

    run_sql(owner, block)

    assert [person.get("/api/tasks").status_code for person in (ada, ben)] == [401, 401]
    assert ada.sign_in_again().tasks() == []
