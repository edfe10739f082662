"""A backup that docs/operating.md makes and restores holds everything, and the restored database protects its users."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import pytest
from pg8000.exceptions import DatabaseError
from starlette.testclient import TestClient

from backend.database.roles import AUTH_ROLE
from backend.postgres import Connection, Flight, Opening, ServerError
from backend.postgres.url import DatabaseUrl
from dev.paths import CHECKOUT
from tests.conftest import MakeClient
from tests.migrations.checking import findings
from tests.migrations.migrating import HEAD, start_migrating
from tests.migrations.schema import PATH, dump
from tests.support.checked_users import sign_in_check
from tests.support.cluster import Cluster, OwnedDatabase
from tests.support.database_copy import DatabaseCopy, connect
from tests.support.people import Person
from tests.support.pooler import Pooler, require_pgbouncer

OPERATING = CHECKOUT / "docs" / "operating.md"
ROWS = [
    "select count(*), md5(string_agg(to_jsonb(t)::text, ',' order by id)) from tasks t",
    "select count(*), md5(string_agg(to_jsonb(u)::text, ',' order by id)) from users u",
    "select count(*), md5(string_agg(to_jsonb(r)::text, ',' order by id)) from refresh_tokens r",
    "select count(*), md5(string_agg(to_jsonb(n)::text, ',' order by user_id)) from task_totals n",
    "select count(*), md5(string_agg(to_jsonb(l)::text, ',' order by key)) from rate_limits l",
]


def commands(block: str) -> str:
    """The shell commands of docs/operating.md below this marker."""
    [found] = re.findall(rf"<!-- {block} -->\n```bash\n(.*?)```", OPERATING.read_text(), re.DOTALL)
    return str(found)


def run(script: str, server: Cluster, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run shell commands with the programs of the server's version, in this folder."""
    environment = {"PATH": f"{server.binary('psql').parent}:/usr/bin:/bin", "LC_ALL": "C", **variables}
    return subprocess.run(
        ["bash", "-eu", "-c", script], check=False, capture_output=True, text=True, cwd=folder, env=environment
    )


def make_migrate(database: DatabaseCopy) -> str:
    """Run `make migrate`. Gives what it prints."""
    output, errors = (started := start_migrating(database.owner_url, database.url)).communicate()
    assert (started.returncode, errors) == (0, ""), output
    return output


def shape(schema: str) -> str:
    """A schema without parentheses: PostgreSQL prints fewer around BETWEEN once it has read what it printed."""
    return re.sub("[()]", "", schema)


@pytest.fixture
def new_cluster() -> Iterator[Cluster]:
    """Another cluster, without any role or database."""
    with TemporaryDirectory(prefix="todo-api-new-") as directory:
        Path(directory).chmod(0o711)  # root's PostgreSQL runs as the account `nobody`, which has to enter
        with Cluster(Path(directory, "postgres")) as cluster:
            yield cluster


@pytest.fixture
def old_database(cluster: Cluster) -> OwnedDatabase:
    """The database that is backed up."""
    database = cluster.database("todo", owner="old_owner")
    make_migrate(database)
    return database


@pytest.fixture
def new_database(new_cluster: Cluster) -> OwnedDatabase:
    """The empty database into which it is restored. Its owner has another name."""
    return new_cluster.database("todo_2")


class Moved:
    """Ada and Ben, with tasks and several sign-ins, whose data are moved to another cluster."""

    def __init__(self, client: TestClient) -> None:
        self.ada, self.ben = Person.sign_up(client, name="Ada 👩"), Person.sign_up(client, name="Ben")
        for number in range(20):
            self.ada.create_task(f"Ada's {number}", description="é\n\\ ' \" ; \t")
            self.ben.create_task(f"Ben's {number}")
        assert self.ada.refresh().status_code == 200
        self.gone = self.ada.sign_in_again()
        assert self.gone.post("/api/auth/signout").status_code == 200
        wrong = {"email": self.ada.email, "password": "not the password"}
        assert client.post("/api/auth/signin", json=wrong).status_code == 401
        self.tasks = {person.id: person.tasks() for person in (self.ada, self.ben)}

    def everything_is_there(self, client: TestClient) -> None:
        """With the tokens from before, and by a sign-in, all is as it was, and it can be changed."""
        for person in (self.ada, self.ben):
            there = Person(client, person.password, person.auth)
            assert there.tasks() == self.tasks[person.id]
            assert there.refresh().status_code == 200
            person.auth = there.auth
            again = there.sign_in_again()
            task = again.create_task("New")
            assert again.patch(f"/api/tasks/{task['id']}/toggle").json()["completed"]
            assert again.delete(f"/api/tasks/{task['id']}").status_code == 204
        assert client.get("/api/tasks", headers=self.gone.headers).status_code == 401

    def another_users_tasks_do_not_exist(self, client: TestClient) -> None:
        """For every operation."""
        ben = Person(client, self.ben.password, self.ben.auth)
        path = f"/api/tasks/{self.tasks[self.ada.id][0]['id']}"
        answers = [
            ben.get(path),
            ben.put(path, json={"title": "Mine now"}),
            ben.patch(f"{path}/toggle"),
            ben.delete(path),
        ]
        assert [answer.status_code for answer in answers] == [404] * 4
        assert ben.tasks() == self.tasks[self.ben.id]


def refused_with(connection: Connection, statement: str, *values: Any, check: Any = None) -> str:
    """With which SQLSTATE PostgreSQL refuses the statement."""
    with pytest.raises(ServerError) as refused:
        connection.execute(statement, values, Flight(check=check))
    return str(refused.value.args[0]["C"])


def postgresql_separates(url: DatabaseUrl, ada: Person, ben: Person) -> None:
    """PostgreSQL itself keeps users apart, for statements that lack the check or their condition."""
    with Connection(url, opening=Opening(AUTH_ROLE)) as connection:
        for statement in ("select * from tasks", "update tasks set title = 'x'", "delete from tasks", "truncate tasks"):
            assert refused_with(connection, statement) == "42501", "without a check no task is reached"
        check = sign_in_check(ben)
        for statement in ("select user_id from tasks", "update tasks set title = title returning user_id"):
            rows = connection.execute(statement, (), Flight(check=check)).rows
            assert {str(user) for [user] in rows} == {ben.id}
        insert = "insert into tasks (title, user_id) values ('Do my work', $1)"
        assert refused_with(connection, insert, UUID(ada.id), check=check) == "42501"
        for table in ("users", "refresh_tokens", "rate_limits", "alembic_version"):
            assert refused_with(connection, f"select * from {table}", check=check) == "42501"


def login_reaches_nothing(database: DatabaseCopy) -> None:
    """Without a role, the application's login has no right at all."""
    with connect(database.url) as login:
        for statement in ("select from tasks", "select from users", "create table public.mine ()"):
            with pytest.raises(DatabaseError, match="42501"):
                login.run(statement)


@pytest.mark.spec("SC-003", "SC-013", "SC-020", "FR-019", "FR-023")
def test_a_backup_restored_into_a_new_cluster_has_everything_and_isolates(
    old_database: OwnedDatabase,
    new_database: OwnedDatabase,
    new_cluster: Cluster,
    cluster: Cluster,
    make_client: MakeClient,
    tmp_path: Path,
) -> None:
    require_pgbouncer()
    with Pooler(cluster) as pooler:
        url, trusted = pooler.url(old_database), str(pooler.ca_file)
        moved = Moved(make_client(database_url=url, database_ca_file=trusted, database_pool_size=0))
    rows = old_database.query(*ROWS)

    backup = run(commands("backup"), cluster, tmp_path, DATABASE_DIRECT_URL=old_database.owner_url)
    restore = run(commands("restore"), new_cluster, tmp_path, DATABASE_DIRECT_URL=new_database.owner_url)
    printed = make_migrate(new_database)

    assert (backup.returncode, backup.stderr, restore.returncode, restore.stderr) == (0, "", 0, "")
    assert printed.startswith(f"Schema: revision {HEAD}\n")
    assert "Mended" not in printed
    assert new_database.query(*ROWS) == rows
    assert shape(dump(new_database)) == shape(PATH.read_text())
    assert findings(new_database) == []
    login_reaches_nothing(new_database)
    with Pooler(new_cluster) as pooler:
        pooled = make_client(
            database_url=pooler.url(new_database), database_ca_file=str(pooler.ca_file), database_pool_size=0
        )
        for client in (pooled, make_client(database_url=new_database.url)):
            moved.everything_is_there(client)
            moved.another_users_tasks_do_not_exist(client)
        for login in (
            DatabaseUrl.parse(pooler.url(new_database), ca_file=str(pooler.ca_file)),
            DatabaseUrl.parse(new_database.url),
        ):
            postgresql_separates(login, moved.ada, moved.ben)


@pytest.mark.spec("SC-003", "SC-013", "FR-023")
@pytest.mark.parametrize("options", ["", "--no-privileges", "--no-owner --no-privileges"])
def test_a_restore_without_roles_and_rights_is_mended(
    options: str,
    old_database: OwnedDatabase,
    new_database: OwnedDatabase,
    new_cluster: Cluster,
    cluster: Cluster,
    make_client: MakeClient,
    tmp_path: Path,
) -> None:
    """As a person does it who has not read the document: the roles are missing, and pg_restore goes on after errors."""
    moved = Moved(make_client(database_url=old_database.url, database_pool_size=0))
    backup = run(
        f'pg_dump --format=custom {options} --file=todo.dump "$URL"', cluster, tmp_path, URL=old_database.owner_url
    )
    assert backup.returncode == 0, backup.stderr

    restore = run('pg_restore --dbname="$URL" todo.dump', new_cluster, tmp_path, URL=new_database.owner_url)
    printed = make_migrate(new_database)

    assert 'role "todo_user" does not exist' in restore.stderr
    assert "Mended: the policy own_tasks on tasks is missing" in printed
    assert findings(new_database) == []
    assert shape(dump(new_database)) == shape(PATH.read_text())
    client = make_client(database_url=new_database.url, database_pool_size=0)
    moved.everything_is_there(client)
    moved.another_users_tasks_do_not_exist(client)
    postgresql_separates(DatabaseUrl.parse(new_database.url), moved.ada, moved.ben)
    login_reaches_nothing(new_database)
