"""`make migrate` where cluster, database or URLs are not as expected: success, or one line with the remedy."""

import re
import threading

import pytest
from pg8000.exceptions import DatabaseError

from backend.migrations.apply import apply
from backend.migrations.failure import MigrationFailed
from backend.postgres import connection as driver
from backend.postgres.url import DatabaseUrl
from tests.conftest import MakeClient
from tests.migrations.checking import findings, migrate
from tests.migrations.migrating import HEAD, start_migrating
from tests.migrations.schema import PATH, dump
from tests.support.cluster import OWNER, Cluster, OwnedDatabase
from tests.support.database_copy import LOGIN_PASSWORD, DatabaseCopy, connect
from tests.support.people import Person
from tests.support.pooler import Pooler, require_pgbouncer

OTHER_OWNER = "other_owner"
PASSWORD = "another password"


def refusal(database: DatabaseCopy, url: str | None = None) -> str:
    """With which line the migration is refused."""
    with pytest.raises(MigrationFailed) as refused:
        migrate(database, url)
    line = str(refused.value)
    assert "\n" not in line
    assert LOGIN_PASSWORD not in line
    return line


def remedy(line: str) -> str:
    """The SQL that the line says to run."""
    return re.split(r"[Rr]un as [^:]*: ", line)[-1]


def tables_of(database: OwnedDatabase) -> list[str]:
    [rows] = database.query("select schemaname || '.' || tablename from pg_tables where schemaname !~ '^pg_|^info'")
    return [name for [name] in rows]


@pytest.mark.spec("SC-013")
def test_a_second_owner_in_the_cluster_is_told_what_the_first_one_runs(cluster: Cluster) -> None:
    first = cluster.database("first")
    second = cluster.database("second", owner=OTHER_OWNER)
    migrate(first)

    line = refusal(second, second.login_url("second_api", PASSWORD))

    assert f"the role todo_auth exists, and {OTHER_OWNER} may not grant it" in line
    assert tables_of(second) == []
    statements = re.findall(rf"run as a superuser or {OWNER}: (grant [^;]*)", line)
    assert len(statements) == 2
    first.query(*statements)  # as the first owner, who is no superuser
    assert migrate(second, second.login_url("second_api", PASSWORD))[-1].startswith("Login: second_api created")
    assert findings(second, second.login_url("second_api", PASSWORD)) == []
    assert findings(first) == []


@pytest.mark.spec("SC-013", "NFR-008")
def test_roles_made_before_the_first_migration_are_mended(cluster: Cluster) -> None:
    database = cluster.database()
    database.as_superuser("create role todo_user login bypassrls", f"grant todo_user to {OWNER} with admin true")

    printed = migrate(database)

    assert printed[:1] == [f"Schema: revision {HEAD} (was empty)"]
    assert sorted(printed[1:-1]) == [
        "Mended: the role todo_user has " + word for word in ("BYPASSRLS", "INHERIT", "LOGIN")
    ]
    assert findings(database) == []


@pytest.mark.spec("SC-013", "NFR-008", "FR-023")
def test_the_login_of_one_database_cannot_take_the_roles_in_another(cluster: Cluster) -> None:
    first, second = cluster.database("first"), cluster.database("second")
    migrate(first, first.login_url("first_api", PASSWORD))
    migrate(second, second.login_url("second_api", PASSWORD))
    second.query("grant connect on database second to public")  # as the version before left it
    with connect(second.login_url("first_api", PASSWORD)) as before:
        before.run("set role todo_auth")
        assert before.run("select count(*) from users") == [[0]]

    printed = migrate(second, second.login_url("second_api", PASSWORD))

    assert "Logins that may no longer connect to second: first_api. docs/deploying.md says why." in printed
    for database, login in ((second, "first_api"), (first, "second_api")):
        with (
            pytest.raises(DatabaseError, match=r'permission denied for database "(first|second)"'),
            connect(database.login_url(login, PASSWORD)),
        ):
            pass
    for database, login in ((first, "first_api"), (second, "second_api")):
        assert findings(database, database.login_url(login, PASSWORD)) == []
        with connect(database.owner_url) as owner:
            assert owner.run("select current_user") == [[OWNER]]


@pytest.mark.spec("SC-013")
def test_a_rotated_login_and_the_one_before_both_connect(cluster: Cluster) -> None:
    database = cluster.database()
    migrate(database)
    database.as_superuser("grant connect on database todo to public", "revoke connect on database todo from todo_api")

    migrate(database, database.login_url("todo_api_2", PASSWORD))

    for url in (database.url, database.login_url("todo_api_2", PASSWORD)):
        assert findings(database, url) == []
    database.query("revoke connect on database todo from todo_api", "drop role todo_api")  # as docs/deploying.md says
    assert findings(database, database.login_url("todo_api_2", PASSWORD)) == []


@pytest.mark.spec("SC-013", "NFR-008")
def test_an_owner_who_may_not_close_the_database_is_warned(cluster: Cluster) -> None:
    database = cluster.database()
    database.as_superuser("alter database todo owner to postgres", f"grant create on schema public to {OWNER}")
    database.as_superuser(f"grant usage on schema public to {OWNER} with grant option")

    printed = migrate(database)

    [warning] = [line for line in printed if line.startswith("Warning: ")]
    assert "every login of the cluster may connect to the database todo" in warning
    assert "run as the owner of the database todo: grant connect" in warning
    assert len(findings(database)) == 1
    database.as_superuser(*remedy(warning).split("; "))
    assert findings(database) == []


@pytest.mark.spec("SC-013")
@pytest.mark.parametrize(
    "statements",
    [
        [f"create schema authorization {OWNER}"],
        ["create schema elsewhere", "alter database todo set search_path = elsewhere"],
        [f"create schema elsewhere authorization {OWNER}", f"alter role {OWNER} set search_path = elsewhere, public"],
        [f"alter role {OWNER} in database todo set search_path = ''"],
    ],
    ids=["a schema named like the owner", "of the database", "of the owner", "none"],
)
def test_a_search_path_that_leads_elsewhere_is_not_followed(cluster: Cluster, statements: list[str]) -> None:
    database = cluster.database()
    database.as_superuser(*statements)

    migrate(database)

    assert {name.split(".")[0] for name in tables_of(database)} == {"public"}
    assert findings(database) == []
    assert migrate(database)[0] == f"Schema: revision {HEAD}"


@pytest.mark.spec("SC-013")
@pytest.mark.parametrize("fault", ["revoke create on schema public from pg_database_owner", "drop schema public"])
def test_a_schema_in_which_the_owner_may_not_create_is_refused(cluster: Cluster, fault: str) -> None:
    database = cluster.database()
    database.as_superuser(fault)

    line = refusal(database)

    assert f"{OWNER} may not create tables in the schema public of todo" in line
    database.as_superuser(*remedy(line).split("; "))
    migrate(database)
    assert findings(database) == []


@pytest.mark.spec("SC-013")
@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("insert into alembic_version values ('0001')", "The table alembic_version has 2 rows"),
        ("update alembic_version set version_num = '9999'", "at revision 9999, which this checkout does not have"),
        ("delete from alembic_version", "has the table rate_limits, but alembic_version does not say"),
    ],
    ids=["two rows", "unknown", "none"],
)
def test_a_database_of_no_known_revision_is_refused(cluster: Cluster, fault: str, sentence: str) -> None:
    database = cluster.database()
    migrate(database)
    database.query(fault)

    line = refusal(database)

    assert sentence in line
    assert [wrong for wrong in findings(database) if sentence in wrong]
    if "two rows" in line:
        database.query(remedy(line))
        assert migrate(database)[0] == f"Schema: revision {HEAD}"


@pytest.mark.spec("SC-014")
def test_databases_of_the_same_name_on_two_servers_are_refused_unchanged(
    cluster: Cluster, fresh_database: DatabaseCopy
) -> None:
    database = cluster.database(fresh_database.name)

    line = refusal(database, fresh_database.url)

    assert line.startswith("DATABASE_URL and DATABASE_DIRECT_URL are different databases, or on different servers: ")
    assert tables_of(database) == []


@pytest.mark.spec("SC-014")
def test_a_database_that_does_not_exist_is_refused_before_anything_changes(cluster: Cluster) -> None:
    database = cluster.database()
    migrate(cluster.database("another"))  # so that the login is there

    line = refusal(database, database.url.removesuffix("todo") + "tudu")

    assert 'DATABASE_URL: PostgreSQL says 3D000: database "tudu" does not exist' in line
    assert tables_of(database) == []


@pytest.mark.spec("SC-014")
def test_a_role_cannot_be_the_login(cluster: Cluster) -> None:
    database = cluster.database()

    line = refusal(database, database.login_url("todo_user", PASSWORD))

    assert line == "DATABASE_URL: todo_user is a role, which cannot log in; name another login"


@pytest.mark.spec("SC-013")
def test_the_owner_may_come_through_a_pooler(cluster: Cluster) -> None:
    require_pgbouncer()
    database = cluster.database()
    with Pooler(cluster, pool_size=2) as pooler:
        owner_url, url = pooler.url(database, as_owner=True), pooler.url(database)
        printed: list[str] = []
        for _ in range(2):
            apply(
                DatabaseUrl.parse(owner_url, ca_file=str(pooler.ca_file)),
                DatabaseUrl.parse(url, ca_file=str(pooler.ca_file)),
                printed.append,
            )

    assert printed[0] == f"Schema: revision {HEAD} (was empty)"
    assert dump(DatabaseCopy(cluster, database.name)) == PATH.read_text()


@pytest.mark.spec("SC-013")
def test_racing_migrations_of_two_databases_mend_the_roles_they_share(cluster: Cluster) -> None:
    databases = [cluster.database(name) for name in ("first", "second")]
    for database in databases:
        migrate(database)
    attributes = "bypassrls inherit createdb createrole replication login"
    databases[0].as_superuser(*(f"alter role {role} {attributes}" for role in ("todo_auth", "todo_user", "todo_api")))

    racers = [start_migrating(database.owner_url, database.url) for database in databases * 2]
    printed = [racer.communicate() for racer in racers]

    assert [(racer.returncode, errors) for racer, (_, errors) in zip(racers, printed, strict=True)] == [(0, "")] * 4
    assert [findings(database) for database in databases] == [[], []]


@pytest.mark.spec("SC-013")
def test_a_migration_waits_for_another_longer_than_a_request_may(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = cluster.database()
    monkeypatch.setattr(driver, "READ_TIMEOUT_SECONDS", 1.0)
    with connect(database.owner_url) as other:
        other.run("select pg_advisory_lock(7060738201)")
        threading.Timer(3, other.run, ["select pg_advisory_unlock(7060738201)"]).start()

        assert migrate(database)[0] == f"Schema: revision {HEAD} (was empty)"


@pytest.mark.spec("SC-013", "NFR-008")
def test_the_owners_url_in_both_variables_is_checked_too(cluster: Cluster, make_client: MakeClient) -> None:
    database = cluster.database()
    migrate(database, database.owner_url)
    database.query("alter table tasks disable row level security")

    assert len(findings(database, database.owner_url)) == 1
    migrate(database, database.owner_url)

    assert findings(database, database.owner_url) == []
    ada = Person.sign_up(make_client(database_url=database.owner_url))
    assert ada.tasks() == []


@pytest.mark.spec("SC-013")
def test_the_check_of_an_empty_database_says_what_is_missing(cluster: Cluster) -> None:
    database = cluster.database()

    wrong = findings(database)

    assert wrong[:3] == [
        "the role todo_auth is missing",
        "the role todo_user is missing",
        f"the database is at revision none, not at {HEAD}: run `make migrate`",
    ]
    assert "DATABASE_URL cannot log in" in wrong[3]
    assert tables_of(database) == []


@pytest.mark.spec("SC-013")
def test_the_commands_exit_with_1_and_one_line_each(cluster: Cluster) -> None:
    database = cluster.database()

    checked = start_migrating(database.owner_url, database.url, "--check")
    output, errors = checked.communicate()
    unknown = start_migrating(database.owner_url, database.url, "--unknown")
    _, usage = unknown.communicate()

    assert (checked.returncode, output.count("Wrong: ")) == (1, 4)
    assert errors == "4 things are wrong. `make migrate` mends what the owner may mend\n"
    assert (unknown.returncode, usage) == (1, "usage: python -m backend.migrations [--check]\n")
