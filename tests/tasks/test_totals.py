"""The totals of each user's tasks are exact, whatever writes the tasks, and cost the same however many there are."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pg8000.exceptions import DatabaseError
from pg8000.native import Connection as OwnerConnection

from tests.conftest import MakeClient
from tests.support.database_copy import DatabaseCopy
from tests.support.people import Person
from tests.support.sent_statements import recording_statements
from tests.support.task_totals import add_tasks, totals, wrong_totals

TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), st.sampled_from('"\\\x01\x7f\u2028🐘')
    ),
    min_size=1,
    max_size=30,
)
ALL_TOTALS = "select u.name, t.tasks from users u join task_totals t on t.user_id = u.id order by 1"
BOTH_AT_ONCE = """
    with deleted as (delete from tasks where title = 'one')
    insert into tasks (title, user_id) select 'new', id from users where name = 'Ada'
"""
MERGE = """
    merge into tasks using users on users.id = user_id and title = 'three'
    when matched then update set title = 'changed'
    when not matched then insert (title, user_id) values ('new', users.id)
"""
READS = """
    select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) from pg_stat_xact_user_tables
    where relname in ('users', 'tasks', 'task_totals')
"""
"""The rows that this transaction has read."""


@pytest.fixture
def people(fresh_database: DatabaseCopy) -> list[str]:
    """The ids of two users, Ada and Ben, in a database without any other."""
    [rows] = fresh_database.query(
        "insert into users (email, password_hash, name) values ('a@example.com', 'x', 'Ada'), "
        "('b@example.com', 'x', 'Ben') returning id::text"
    )
    return [user_id for (user_id,) in rows]


@pytest.mark.spec("FR-017", "FR-038")
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.tuples(TEXT.filter(lambda text: text.strip(" ")), st.none() | TEXT, st.booleans()), max_size=4))
def test_the_bytes_are_those_of_the_list_with_no_task_completed(
    ada: Person, owner: OwnerConnection, tasks: list[tuple[str, str | None, bool]]
) -> None:
    owner.run("delete from tasks where user_id = :id", id=ada.id)
    for title, description, completed in tasks:
        owner.run(
            "insert into tasks (title, description, completed, user_id) values (:title, :description, :completed, :id)",
            title=title, description=description, completed=completed, id=ada.id,
        )  # fmt: skip

    listed = ada.get("/api/tasks").content

    shorter = sum(completed for _, _, completed in tasks)  # `true` is shorter than `false`
    commas_and_brackets = 1 if tasks else 2  # besides the commas between the tasks, of which each counts one
    assert totals(owner, ada.id) == (len(tasks), len(listed) + shorter - commas_and_brackets)


@pytest.mark.spec("SC-010")
@pytest.mark.parametrize(
    ("statement", "tasks"),
    [
        ("insert into tasks (title, user_id) select 'new', id from users", [["Ada", 4], ["Ben", 3]]),
        ("insert into tasks (title, user_id) select 'new', id from users where false", [["Ada", 3], ["Ben", 2]]),
        ("update tasks set title = title || ' was longer' where title <> 'two'", [["Ada", 3], ["Ben", 2]]),
        ("update tasks set description = 'd'", [["Ada", 3], ["Ben", 2]]),
        ("update tasks set completed = not completed", [["Ada", 3], ["Ben", 2]]),
        ("update tasks set user_id = (select id from users where name = 'Ben')", [["Ada", 0], ["Ben", 5]]),
        ("delete from tasks where title in ('one', 'three')", [["Ada", 1], ["Ben", 1]]),
        ("delete from tasks", [["Ada", 0], ["Ben", 0]]),
        (BOTH_AT_ONCE, [["Ada", 3], ["Ben", 1]]),
        (MERGE, [["Ada", 3], ["Ben", 3]]),
        ("delete from users where name = 'Ada'", [["Ben", 2]]),
        ("delete from users", []),
        ("truncate tasks", []),
        ("truncate users cascade", []),
    ],
)
def test_the_owners_statements_are_counted_too(
    people: list[str], fresh_database: DatabaseCopy, statement: str, tasks: list[list[str | int]]
) -> None:
    """Before it, Ada has the tasks one, two and three, Ben has one and two."""
    ada, ben = people
    with fresh_database.connect_as_owner() as owner:
        for title, user_id in [("one", ada), ("two", ada), ("three", ada), ("one", ben), ("two", ben)]:
            add_tasks(owner, user_id, 1, title=title)

        owner.run(statement)

        assert owner.run(ALL_TOTALS) == tasks
        assert wrong_totals(owner) == []


def test_what_is_undone_is_not_counted(people: list[str], fresh_database: DatabaseCopy) -> None:
    ada, _ = people
    with fresh_database.connect_as_owner() as owner:
        add_tasks(owner, ada, 2)
        before = totals(owner, ada)
        owner.run("begin")
        owner.run("savepoint here")
        add_tasks(owner, ada, 3)
        owner.run("rollback to savepoint here")
        owner.run("delete from tasks")
        owner.run("rollback")

        assert totals(owner, ada) == before
        assert wrong_totals(owner) == []


@pytest.mark.spec("NFR-016")
def test_the_owners_own_tools_have_no_limit_and_an_emptied_setting_is_none(
    people: list[str], fresh_database: DatabaseCopy
) -> None:
    """After a transaction with these settings, PostgreSQL leaves them empty on the connection."""
    ada, _ = people
    with fresh_database.connect_as_owner() as owner:
        owner.run("begin")
        owner.run(
            "select set_config('app.tasks_per_user', '1', true), set_config('app.task_bytes_per_user', '1', true)"
        )
        with pytest.raises(DatabaseError, match="'n': 'tasks_per_user'"):
            add_tasks(owner, ada, 2)
        owner.run("rollback")
        [[left]] = owner.run("select current_setting('app.tasks_per_user', true)")

        add_tasks(owner, ada, 2)

        assert left == ""
        assert totals(owner, ada)[0] == 2


@pytest.mark.spec("FR-023", "SC-003")
def test_no_other_login_can_attach_the_trigger_to_a_table_of_its_own(
    people: list[str], fresh_database: DatabaseCopy
) -> None:
    attach = (
        "create trigger t after insert on mine referencing new table as added "
        "for each statement execute function public.count_tasks()"
    )
    with fresh_database.connect_as_owner() as owner:
        owner.run("set role todo_user")
        owner.run("create temp table mine (user_id uuid, title text, description text)")

        with pytest.raises(DatabaseError, match=r"permission denied for function public\.count_tasks"):
            owner.run(attach)


@pytest.mark.spec("FR-023", "SC-003")
def test_a_temporary_table_of_that_name_does_not_take_the_counts(
    people: list[str], fresh_database: DatabaseCopy
) -> None:
    ada, _ = people
    with fresh_database.connect_as_owner() as owner:
        owner.run("create temp table task_totals (user_id uuid primary key, tasks integer, bytes bigint)")
        owner.run("set search_path = pg_temp, public")

        add_tasks(owner, ada, 2)

        assert owner.run("select * from pg_temp.task_totals") == []
        assert owner.run("select tasks from public.task_totals") == [[2]]


@pytest.mark.spec("NFR-010", "SC-007")
@pytest.mark.parametrize("change", ["create", "edit", "toggle", "delete"])
def test_a_change_reads_as_many_rows_of_9000_tasks_as_of_none(
    change: str, people: list[str], fresh_database: DatabaseCopy
) -> None:
    statements = {
        "create": "insert into tasks (title, user_id) values ('new', :ada)",
        "edit": "update tasks set title = 'longer than before' where id = :task_id and user_id = :ada",
        "toggle": "update tasks set completed = not completed where id = :task_id and user_id = :ada",
        "delete": "delete from tasks where id = :task_id and user_id = :ada",
    }
    ada, _ = people
    read = []
    with fresh_database.connect_as_owner() as owner:
        for stored in (0, 9_000):
            add_tasks(owner, ada, stored)
            [[task_id]] = owner.run("insert into tasks (title, user_id) values ('t', :ada) returning id", ada=ada)
            owner.run("vacuum analyze users, tasks, task_totals")
            owner.run("begin")
            owner.run(
                "set local enable_seqscan = off"
            )  # one page is read as a whole, which says nothing of large tables
            [[before]] = owner.run(READS)
            owner.run(statements[change], ada=ada, **({} if change == "create" else {"task_id": task_id}))
            [[after]] = owner.run(READS)
            owner.run("rollback")
            read.append(after - before)

    assert read[0] == read[1] > 0


@pytest.mark.spec("NFR-010")
def test_creating_a_task_is_one_statement_also_when_it_is_refused(make_client: MakeClient) -> None:
    ada = Person.sign_up(make_client(tasks_per_user=1))
    with recording_statements() as sent:
        statuses = [ada.post("/api/tasks", json={"title": "t"}).status_code for _ in range(2)]

    assert (statuses, len(sent)) == ([201, 409], 2)
