"""The plain applications of the benchmark give the same answers as ours. Otherwise the comparison would be unfair."""

import ssl
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from benchmarks.drivers import Driver
from benchmarks.stock import create_stock_app
from tests.conftest import MakeClient, MakeSettings
from tests.support.database_copy import DatabaseCopy
from tests.support.people import Person
from tests.support.pooler import Pooler, require_pgbouncer

pytestmark = pytest.mark.spec("SC-007")

UNKNOWN = "00000000-0000-7000-8000-000000000000"
ALWAYS_NEW = ("id", "created_at", "updated_at")


@pytest.fixture(params=Driver)
def at_stock(
    request: pytest.FixtureRequest, make_client: MakeClient, make_settings: MakeSettings, shared_database: DatabaseCopy
) -> Callable[[Person], Person]:
    """Gives the same person, with the same sign-in, as a client of a plain application on the same database."""
    # The owner's login, because a plain application sets no role.
    client = make_client(app=create_stock_app(make_settings(database_url=shared_database.owner_url), request.param))
    return lambda person: Person(client, person.password, person.auth)


def visible_part(answer: httpx2.Response) -> tuple[int, str, Any]:
    """What a frontend reads of an answer: status, media type and body."""
    return answer.status_code, answer.headers["Content-Type"], answer.text


def test_a_list_is_answered_alike(ada: Person, at_stock: Callable[[Person], Person]) -> None:
    there = at_stock(ada)
    assert visible_part(there.get("/api/tasks")) == visible_part(ada.get("/api/tasks"))
    for number in range(3):
        ada.create_task(f"Straße {number} \\ \"'\u2028", description=None if number % 2 else "two\nlines")
    there.patch(f"/api/tasks/{ada.tasks()[0]['id']}/toggle")
    assert len(ada.tasks()) == 3
    assert visible_part(there.get("/api/tasks")) == visible_part(ada.get("/api/tasks"))


@pytest.mark.parametrize(
    "body",
    [{"title": " Buy milk "}, {"title": "Buy milk", "description": "two\nlines"}, {"title": "a", "description": ""}],
)
def test_a_creation_is_answered_alike(body: dict[str, str], ada: Person, at_stock: Callable[[Person], Person]) -> None:
    ours, stock = (person.post("/api/tasks", json=body) for person in (ada, at_stock(ada)))
    assert (ours.status_code, stock.status_code) == (201, 201)
    assert list(stock.json()) == list(ours.json())
    for name in ours.json().keys() - ALWAYS_NEW:
        assert stock.json()[name] == ours.json()[name]
    assert ada.tasks() == [ours.json(), stock.json()]


def test_a_single_task_is_answered_alike(ada: Person, ben: Person, at_stock: Callable[[Person], Person]) -> None:
    there = at_stock(ada)
    own, foreign = ada.create_task(description="é")["id"], ben.create_task()["id"]
    assert visible_part(there.get(f"/api/tasks/{own}")) == visible_part(ada.get(f"/api/tasks/{own}"))
    for task_id in (foreign, UNKNOWN):
        ours, stock = (person.get(f"/api/tasks/{task_id}") for person in (ada, there))
        assert (stock.status_code, stock.json()) == (ours.status_code, ours.json())


def test_a_sign_in_that_has_ended_is_refused_alike(ada: Person, at_stock: Callable[[Person], Person]) -> None:
    there = at_stock(ada)
    ada.post("/api/auth/signout")
    for method, body in (("GET", None), ("POST", {"title": "Buy milk"})):
        ours, stock = (person.request(method, "/api/tasks", json=body) for person in (ada, there))
        assert stock.status_code == ours.status_code == 401
        assert stock.json() == ours.json()


def test_all_other_operations_are_answered_alike(ada: Person, at_stock: Callable[[Person], Person]) -> None:
    """These are the other operations whose round trips the benchmark compares."""
    ben = Person.sign_up(at_stock(ada).http)
    assert Person(ada.http, ben.password, ben.auth).tasks() == []
    task = ben.create_task()
    assert ben.put(f"/api/tasks/{task['id']}", json={"title": "Buy bread"}).json()["title"] == "Buy bread"
    assert ben.patch(f"/api/tasks/{task['id']}/toggle").json()["completed"] is True
    assert ben.delete(f"/api/tasks/{task['id']}").status_code == 204
    assert ben.get("/api/health").json() == ada.get("/api/health").json()
    again = ben.sign_in_again()
    assert again.refresh().status_code == 200
    assert again.post("/api/auth/signout").status_code == 200
    assert again.get("/api/tasks").status_code == 401
    assert ben.tasks() == []


@pytest.mark.long
@pytest.mark.parametrize(("driver", "contexts"), [(Driver.PG8000, 3), (Driver.PG8000_ONE_TLS_CONTEXT, 0)])
def test_only_the_plain_way_makes_a_tls_context_for_every_connection(
    driver: Driver,
    contexts: int,
    make_settings: MakeSettings,
    shared_database: DatabaseCopy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_pgbouncer()
    make, made = ssl.create_default_context, list[ssl.SSLContext]()

    def record_context() -> ssl.SSLContext:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", record_context)
    with Pooler(shared_database.server) as pooler:
        trusted = {"database_url": pooler.url(shared_database), "database_ca_file": str(pooler.ca_file)}
        with TestClient(create_stock_app(make_settings(database_pool_size=0, **trusted), driver)) as client:
            statuses = [client.get("/api/health").status_code for _ in range(3)]
    assert statuses == [200, 200, 200]
    assert len(made) == contexts
    assert all(context.verify_mode is ssl.CERT_NONE for context in made)
