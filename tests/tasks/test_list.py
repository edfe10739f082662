"""GET /api/tasks."""

import gzip

import pytest

from tests.support.people import Person


@pytest.mark.spec("FR-017", "EDGE-empty-task-list")
def test_is_an_empty_array_when_there_are_none(ada: Person) -> None:
    response = ada.get("/api/tasks")

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.content == b"[]"


@pytest.mark.spec("FR-017", "FR-042", "US2-2", "NFR-026")
def test_holds_all_tasks_oldest_first(ada: Person) -> None:
    tasks = [ada.create_task(title) for title in ("zebra", "Apple", "mango")]

    assert ada.tasks() == tasks


@pytest.mark.spec("FR-017", "US2-2", "SC-003")
def test_holds_no_tasks_of_other_users(ada: Person, ben: Person) -> None:
    of_ada, of_ben = ada.create_task("Ada's"), ben.create_task("Ben's")

    assert ada.tasks() == [of_ada]
    assert ben.tasks() == [of_ben]


@pytest.mark.spec("FR-017", "FR-028")
def test_shows_each_task_as_it_is_now_in_its_old_place(ada: Person) -> None:
    first, second, third = (ada.create_task(title) for title in ("first", "second", "third"))

    first = ada.put(f"/api/tasks/{first['id']}", json={"title": "changed", "description": "too"}).json()
    second = ada.patch(f"/api/tasks/{second['id']}/toggle").json()
    ada.delete(f"/api/tasks/{third['id']}")

    assert ada.tasks() == [first, second]


@pytest.mark.spec("FR-017", "FR-042")
def test_writes_a_task_with_the_same_text_as_every_other_endpoint(ada: Person) -> None:
    one_line = 'é 👩 "quotes" \\ / \u2028 </script> \u00a0'
    task = ada.create_task(one_line, description=f"{one_line}\n\t\x01\x7f")
    path = f"/api/tasks/{task['id']}"

    one, all_of_them = ada.get(path), ada.get("/api/tasks")

    assert all_of_them.json() == [one.json()]


@pytest.mark.spec("FR-017")
def test_ignores_query_parameters(ada: Person, ben: Person) -> None:
    ben.create_task()

    response = ada.get("/api/tasks", params={"user_id": ben.id, "limit": "-1", "page": "x"})

    assert response.json() == []


@pytest.mark.spec("FR-017", "SC-007")
def test_is_compressed_above_64_kib_when_the_client_accepts_it(ada: Person) -> None:
    for number in range(40):
        ada.create_task(f"task {number}", description="d" * 2000)

    plain = ada.get("/api/tasks", headers={"Accept-Encoding": "identity"})
    with ada.http.stream("GET", "/api/tasks", headers=ada.headers | {"Accept-Encoding": "gzip"}) as compressed:
        sent = b"".join(compressed.iter_raw())

    assert "Content-Encoding" not in plain.headers
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in compressed.headers["Vary"]
    assert gzip.decompress(sent) == plain.content
    assert len(sent) < len(plain.content) / 10


@pytest.mark.spec("FR-017")
def test_is_not_compressed_when_it_is_small(ada: Person) -> None:
    ada.create_task()

    assert "Content-Encoding" not in ada.get("/api/tasks", headers={"Accept-Encoding": "gzip"}).headers
