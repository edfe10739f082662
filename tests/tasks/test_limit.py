"""How much one user may store: a number of tasks, and a size of the list."""

import pytest
from pg8000.native import Connection as OwnerConnection

from tests.conftest import MakeClient
from tests.support.people import Person
from tests.support.task_totals import BYTES_AROUND_TEXT, add_tasks, totals, wrong_totals

TOO_MANY_TASKS = {"detail": "You have as many tasks as can be stored. Please delete some first."}
TOO_MUCH_TEXT = {"detail": "Your tasks hold as much text as can be stored. Please shorten or delete some first."}
SMALLEST_LIMIT = 20_000
"""The smallest TASK_BYTES_PER_USER."""

pytestmark = pytest.mark.spec("NFR-016")


def text_that_fills(size: int) -> str:
    """The description with which a task of the title `t` takes so many bytes in the list."""
    return "d" * (size - BYTES_AROUND_TEXT - len("t"))


@pytest.fixture
def ada(make_client: MakeClient) -> Person:
    """A user who may store as few bytes as can be configured."""
    return Person.sign_up(make_client(task_bytes_per_user=SMALLEST_LIMIT))


def fill(person: Person, size: int) -> list[dict[str, object]]:
    """Create tasks of about equal length whose list has exactly this size."""
    count = size // 2000 + 1
    sizes = [size // count] * (count - 1)
    return [person.create_task("t", description=text_that_fills(each)) for each in [*sizes, size - sum(sizes)]]


def test_a_task_beyond_the_number_is_refused_with_a_sentence(make_client: MakeClient) -> None:
    ada = Person.sign_up(make_client(tasks_per_user=2))
    tasks = [ada.create_task(), ada.create_task()]

    refused = ada.post("/api/tasks", json={"title": "one too many"})

    assert (refused.status_code, refused.json()) == (409, TOO_MANY_TASKS)
    assert ada.tasks() == tasks


def test_a_deleted_task_makes_room(make_client: MakeClient) -> None:
    ada = Person.sign_up(make_client(tasks_per_user=1))
    task = ada.create_task()

    ada.delete(f"/api/tasks/{task['id']}")

    assert ada.post("/api/tasks", json={"title": "Buy bread"}).status_code == 201


@pytest.mark.spec("SC-003")
def test_each_user_has_separate_limits(make_client: MakeClient) -> None:
    client = make_client(tasks_per_user=11, task_bytes_per_user=SMALLEST_LIMIT)
    ada, ben = Person.sign_up(client), Person.sign_up(client)
    fill(ada, SMALLEST_LIMIT)

    assert ben.post("/api/tasks", json={"title": "Buy bread"}).status_code == 201


def test_a_task_may_fill_the_size_to_the_byte_and_the_next_is_409(ada: Person, owner: OwnerConnection) -> None:
    tasks = fill(ada, SMALLEST_LIMIT - 300)

    too_long = ada.post("/api/tasks", json={"title": "t", "description": text_that_fills(301)})
    fits = ada.post("/api/tasks", json={"title": "t", "description": text_that_fills(300)})
    one_more = ada.post("/api/tasks", json={"title": "t"})

    assert (too_long.status_code, too_long.json()) == (409, TOO_MUCH_TEXT)
    assert fits.status_code == 201
    assert (one_more.status_code, one_more.json()) == (409, TOO_MUCH_TEXT)
    assert ada.tasks() == [*tasks, fits.json()]
    assert len(ada.get("/api/tasks").content) == SMALLEST_LIMIT + 1
    assert totals(owner, ada.id) == (len(tasks) + 1, SMALLEST_LIMIT)


def test_an_edit_that_makes_a_task_too_long_is_409_and_changes_nothing(ada: Person) -> None:
    tasks = fill(ada, SMALLEST_LIMIT)
    path = f"/api/tasks/{tasks[0]['id']}"

    refused = [ada.put(path, json={"title": "tt"}), ada.put(path, json={"title": "tt"}, headers={"If-Match": '"1"'})]

    assert [(answer.status_code, answer.json()) for answer in refused] == [(409, TOO_MUCH_TEXT)] * 2
    stored = ada.get(path)
    assert (stored.json(), stored.headers["ETag"]) == (tasks[0], '"1"')


def test_an_edit_counts_what_it_adds_and_removes_together(ada: Person) -> None:
    title, description = "t" * 100, "d" * 100
    fill(ada, SMALLEST_LIMIT - BYTES_AROUND_TEXT - 200)
    path = f"/api/tasks/{ada.create_task(title, description=description)['id']}"

    longer = ada.put(path, json={"title": title[50:], "description": description + "d" * 51})
    as_long = ada.put(path, json={"title": title[50:], "description": description + "d" * 50})

    assert (longer.status_code, as_long.status_code) == (409, 200)


@pytest.mark.spec("FR-020", "FR-021", "FR-022")
def test_what_does_not_grow_always_works_even_beyond_the_limits(
    make_client: MakeClient, owner: OwnerConnection
) -> None:
    """A database may hold more than the limits allow, because it is older than they are."""
    ada = Person.sign_up(make_client(tasks_per_user=3, task_bytes_per_user=SMALLEST_LIMIT))
    add_tasks(owner, ada.id, 20, title="title", description="d" * 2000)
    first, second, *_ = tasks = ada.tasks()
    path = f"/api/tasks/{first['id']}"

    growing = [ada.post("/api/tasks", json={"title": "t"}), ada.put(path, json={"title": "title!"})]
    others = [
        ada.patch(f"{path}/toggle"),
        ada.put(path, json={"title": "TITLE", "completed": False}),
        ada.put(path, json={"title": "tit"}),
        ada.put(path, json={"description": None}),
        ada.delete(f"/api/tasks/{second['id']}"),
    ]

    assert [answer.status_code for answer in growing] == [409, 409]
    assert [answer.status_code for answer in others] == [200, 200, 200, 200, 204]
    assert len(ada.tasks()) == len(tasks) - 1
    assert ada.id not in wrong_totals(owner)


@pytest.mark.spec("FR-021")
def test_toggles_never_change_what_is_counted(ada: Person, owner: OwnerConnection) -> None:
    tasks = fill(ada, SMALLEST_LIMIT)
    path = f"/api/tasks/{tasks[0]['id']}"

    there_and_back = [ada.patch(f"{path}/toggle").status_code for _ in range(2)]

    assert there_and_back == [200, 200]
    assert totals(owner, ada.id) == (len(tasks), SMALLEST_LIMIT)


@pytest.mark.spec("SC-007")
@pytest.mark.parametrize("characters", ["title", "description"])
def test_nine_thousand_tasks_of_a_hundred_characters_fit(
    characters: str, make_client: MakeClient, owner: OwnerConnection
) -> None:
    ada = Person.sign_up(make_client())
    text = {"title": "t" * 100} if characters == "title" else {"title": "t", "description": "d" * 99}
    add_tasks(owner, ada.id, 8_999, **text)

    assert ada.post("/api/tasks", json=text).status_code == 201
    assert len(ada.tasks()) == 9_000


@pytest.mark.spec("FR-004")
def test_an_empty_list_has_room_for_the_longest_task(ada: Person) -> None:
    longest = {"title": "\U0001f418" * 200, "description": "\x01" * 2000}

    assert ada.post("/api/tasks", json=longest).status_code == 201
