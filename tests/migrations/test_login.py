"""The application's login: `make migrate` creates it, with no more rights than the application needs."""

from uuid import uuid4

import pytest
from pg8000.exceptions import DatabaseError

from backend.migrations.apply import migrate
from backend.migrations.failure import MigrationFailed
from tests.conftest import MakeClient
from tests.migrations.migrating import HEAD, start_migrating
from tests.migrations.schema import PATH, dump
from tests.support.database_copy import DatabaseCopy, connect
from tests.support.people import Person


@pytest.mark.spec("SC-013", "NFR-008")
def test_an_empty_database_gets_its_schema_and_the_application_its_login(empty_database: DatabaseCopy) -> None:
    login, password = f"app-{uuid4().hex[:8]}", 'it\'s a "pass%word" \\ with :colons, $1 and {braces} é'
    printed: list[str] = []

    migrate(empty_database.owner_url, empty_database.login_url(login, password), printed.append)

    assert printed == [
        f"Schema: revision {HEAD} (was empty)",
        f"Login: {login} created, and may take the two roles",
    ]
    assert dump(empty_database) == PATH.read_text()
    with connect(empty_database.login_url(login, password)) as connection:
        assert connection.run("select current_user") == [[login]]


@pytest.mark.spec("NFR-008", "SC-003")
def test_the_login_has_no_rights_but_to_take_the_two_roles(fresh_database: DatabaseCopy) -> None:
    attributes, memberships, roles = fresh_database.query(
        "select rolcanlogin, rolinherit, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls "
        "from pg_roles where rolname = 'todo_api'",
        "select roleid::regrole::text, admin_option, inherit_option, set_option from pg_auth_members "
        "where member = 'todo_api'::regrole order by 1",
        "select rolname, rolcanlogin, rolinherit, rolsuper, rolbypassrls from pg_roles "
        "where rolname in ('todo_auth', 'todo_user') order by 1",
    )

    assert attributes == [[True, False, False, False, False, False, False]]
    assert memberships == [["todo_auth", False, False, True], ["todo_user", False, False, True]]
    assert roles == [["todo_auth", False, False, False, False], ["todo_user", False, False, False, False]]
    with connect(fresh_database.url) as connection:
        for table in ("users", "tasks", "refresh_tokens", "rate_limits", "alembic_version"):
            with pytest.raises(DatabaseError, match="42501"):
                connection.run(f"select from {table}")
        with pytest.raises(DatabaseError, match="42501"):
            connection.run("create table mine ()")


@pytest.mark.spec("NFR-014", "SC-020")
def test_the_login_has_timeouts_for_statements_and_transactions(fresh_database: DatabaseCopy) -> None:
    with connect(fresh_database.url) as connection:
        limits = [
            connection.run(f"show {name}")
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        ]

    assert limits == [[["8s"]], [["5s"]], [["15s"]]]


@pytest.mark.spec("SC-013")
def test_the_owners_url_in_both_variables_works_with_a_warning(
    empty_database: DatabaseCopy, make_client: MakeClient
) -> None:
    printed: list[str] = []

    migrate(empty_database.owner_url, empty_database.owner_url, printed.append)

    assert printed[1] == "Login: DATABASE_URL is the owner's, so PostgreSQL protects less. docs/deploying.md says how."
    client = make_client(database_url=empty_database.owner_url)
    ada, ben = Person.sign_up(client), Person.sign_up(client)
    task = ada.create_task()
    assert ada.tasks() == [task]
    assert ben.get(f"/api/tasks/{task['id']}").status_code == 404


@pytest.mark.spec("NFR-007", "NFR-008", "SC-018")
def test_a_wrong_password_of_the_login_is_reported_without_showing_it(fresh_database: DatabaseCopy) -> None:
    with pytest.raises(MigrationFailed) as raised:
        migrate(fresh_database.owner_url, fresh_database.login_url("todo_api", "s3cr3t"), lambda _: None)

    assert str(raised.value) == (
        "DATABASE_URL cannot log in (PostgreSQL says 28P01: "
        'password authentication failed for user "todo_api"). If its password does not fit the login, correct '
        "DATABASE_URL, or give the login that password, as the owner: alter role todo_api password '…'"
    )


@pytest.mark.spec("NFR-007", "NFR-008", "SC-018")
@pytest.mark.parametrize(
    ("direct_url", "sentence"),
    [
        ("postgresql://postgres:s3cr3t@127.0.0.1:{port}/todo", 'password authentication failed for user "postgres"'),
        ("postgresql://postgres:s3cr3t@127.0.0.1:1/todo", "The database could not be migrated: no connection: "),
        ("postgresql://postgres:s3cr3t@127.0.0.1/todo?sslmode=some", "DATABASE_DIRECT_URL: sslmode must be one of "),
        ("s3cr3t", "DATABASE_DIRECT_URL: must start with postgresql://"),
    ],
    ids=["wrong password", "no server", "unknown mode", "no URL"],
)
def test_an_unusable_owners_url_is_reported_without_its_password(
    fresh_database: DatabaseCopy, direct_url: str, sentence: str
) -> None:
    with pytest.raises(MigrationFailed) as raised:
        migrate(direct_url.format(port=fresh_database.server.port), fresh_database.url, lambda _: None)

    line = str(raised.value)
    assert sentence in line
    assert "\n" not in line
    assert "s3cr3t" not in line


@pytest.mark.spec("SC-013", "SC-018")
def test_make_migrate_reports_a_failure_in_one_line_and_exit_code_1() -> None:
    started = start_migrating(
        "postgresql://postgres:s3cr3t@127.0.0.1:1/todo", "postgresql://app:s3cr3t@127.0.0.1:1/todo"
    )

    output, errors = started.communicate()

    assert started.returncode == 1
    assert (output, errors.count("\n")) == ("", 1)
    assert errors.startswith("The database could not be migrated: no connection")
    assert "s3cr3t" not in errors


@pytest.mark.spec("SC-014")
def test_two_different_databases_are_refused(fresh_database: DatabaseCopy, empty_database: DatabaseCopy) -> None:
    with pytest.raises(MigrationFailed, match="are different databases"):
        migrate(fresh_database.owner_url, empty_database.url, lambda _: None)


@pytest.mark.spec("SC-014", "NFR-008")
@pytest.mark.parametrize("credentials", ["app2", "app2:"])
def test_a_login_without_a_password_is_not_created(empty_database: DatabaseCopy, credentials: str) -> None:
    url = empty_database.url.replace(empty_database.url.split("//")[1].split("@")[0], credentials)

    with pytest.raises(MigrationFailed, match="has no password"):
        migrate(empty_database.owner_url, url, lambda _: None)

    [tables] = empty_database.query("select count(*) from pg_tables where schemaname = 'public'")
    assert tables == [[0]]
