"""When the database cannot be connected to, a request is 503, and the next one works without a restart."""

import os
import signal
import socket

import pytest
from pg8000.native import Connection as OwnerConnection

from tests.postgres.faults.checks import (
    Request,
    check_healed,
    check_no_connection_is_left,
    check_unavailable,
    each_request,
    write,
)
from tests.postgres.faults.conftest import ShortTimeouts
from tests.support.database_copy import DatabaseCopy
from tests.support.database_fixtures import Elsewhere, Logged, levels_of_unavailable, url_through_port
from tests.support.faulty_proxy import Fault, FaultyProxy, answer_with, refuse_with, reset
from tests.support.people import Person

pytestmark = pytest.mark.spec("NFR-014", "NFR-016", "SC-018", "EDGE-database-connection-failure")


class TestUnreachable:
    """The network does not lead to the server, or the server does not answer."""

    @each_request
    def test_a_refused_connection(
        self,
        send: Request,
        cleo_behind_proxy: Person,
        proxy: FaultyProxy,
        short_timeouts: ShortTimeouts,
        superuser: OwnerConnection,
    ) -> None:
        proxy.close()
        with short_timeouts():
            check_unavailable(send(cleo_behind_proxy))
        proxy.reopen()
        check_healed(cleo_behind_proxy)
        check_no_connection_is_left(superuser)

    def test_an_unknown_host_name(
        self,
        cleo: Person,
        elsewhere: Elsewhere,
        fresh_database: DatabaseCopy,
        short_timeouts: ShortTimeouts,
        superuser: OwnerConnection,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def unknown(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        there = elsewhere(cleo, database_url=fresh_database.url.replace("127.0.0.1", "localhost"))
        with short_timeouts(), monkeypatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", unknown)
            check_unavailable(write(there))
        check_healed(there)
        check_no_connection_is_left(superuser)

    @each_request
    def test_a_server_that_never_answers(
        self,
        send: Request,
        cleo_behind_proxy: Person,
        proxy: FaultyProxy,
        short_timeouts: ShortTimeouts,
        superuser: OwnerConnection,
    ) -> None:
        proxy.fault = proxy.keep_waiting
        with short_timeouts():
            check_unavailable(send(cleo_behind_proxy))
        proxy.fault = None
        check_healed(cleo_behind_proxy)
        check_no_connection_is_left(superuser)

    def test_the_whole_server_is_frozen(
        self, cleo: Person, fresh_database: DatabaseCopy, superuser: OwnerConnection, short_timeouts: ShortTimeouts
    ) -> None:
        postmaster = int((fresh_database.server.directory / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)
        try:
            with short_timeouts():
                check_unavailable(write(cleo))
        finally:
            os.kill(postmaster, signal.SIGCONT)
        check_healed(cleo)
        check_no_connection_is_left(superuser)


class TestLogin:
    """The server is reached, and the login fails."""

    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param(reset, id="reset"),
            pytest.param(socket.socket.close, id="closed"),
            pytest.param(answer_with(b"HTTP/1.1 400 Bad Request\r\n\r\n"), id="another protocol"),
            pytest.param(answer_with(b"\xff" * 100), id="bytes of no meaning"),
            pytest.param(answer_with(b"R\0\0"), id="half a message"),
            pytest.param(answer_with(b"R\0\0\0\x02"), id="a message shorter than itself"),
            pytest.param(answer_with(b"R\0\0\0\x08\0\0\0\x63"), id="an authentication that does not exist"),
            pytest.param(answer_with(b"R\0\0\0\x17\0\0\0\x0aSCRAM-UNKNOWN\0\0"), id="a mechanism that does not exist"),
        ],
    )
    @pytest.mark.parametrize("tls", [False, True])
    def test_a_handshake_that_fails(
        self,
        fault: Fault,
        tls: bool,
        cleo: Person,
        elsewhere: Elsewhere,
        fresh_database: DatabaseCopy,
        proxy: FaultyProxy,
        short_timeouts: ShortTimeouts,
        superuser: OwnerConnection,
    ) -> None:
        mode = "?sslmode=require" if tls else ""
        there = elsewhere(cleo, database_url=url_through_port(proxy.port, fresh_database) + mode)
        proxy.fault = fault
        with short_timeouts():
            check_unavailable(write(there))
        proxy.fault = None
        if not tls:  # this PostgreSQL has no TLS
            check_healed(there)
        check_no_connection_is_left(superuser)

    @pytest.mark.parametrize(
        "cut_at",
        [b"user\0", b"SCRAM-SHA-256", b"c=biws"],
        ids=["StartupMessage", "SASLInitialResponse", "SASLResponse"],
    )
    @each_request
    def test_a_network_that_breaks_during_the_login(
        self,
        send: Request,
        cut_at: bytes,
        cleo_behind_proxy: Person,
        proxy: FaultyProxy,
        short_timeouts: ShortTimeouts,
        superuser: OwnerConnection,
    ) -> None:
        proxy.cut_at = cut_at
        with short_timeouts():
            check_unavailable(send(cleo_behind_proxy))
        proxy.cut_at = None
        check_healed(cleo_behind_proxy)
        check_no_connection_is_left(superuser)

    def test_a_compute_that_wakes_up_is_waited_for(
        self, cleo_behind_proxy: Person, proxy: FaultyProxy, superuser: OwnerConnection
    ) -> None:
        def close_once(client: socket.socket) -> None:
            proxy.fault = None
            client.close()

        proxy.fault = close_once
        check_healed(cleo_behind_proxy)
        check_no_connection_is_left(superuser)

    @pytest.mark.parametrize("state", ["53300", "57P03", "08P01", "XX000"])
    def test_a_server_that_is_full_or_starting_up_is_tried_once_more(
        self, state: str, cleo_behind_proxy: Person, proxy: FaultyProxy
    ) -> None:
        refused = []

        def refuse_once(client: socket.socket) -> None:
            proxy.fault = None
            refused.append(state)
            refuse_with(state)(client)

        proxy.fault = refuse_once
        check_healed(cleo_behind_proxy)
        assert refused == [state]

    @pytest.mark.parametrize(
        ("state", "attempts", "level"),
        [
            ("53300", 2, "WARNING"),
            ("57P03", 2, "WARNING"),
            ("XX000", 2, "WARNING"),
            ("08P01", 2, "ERROR"),
            ("28P01", 1, "ERROR"),
            ("3D000", 1, "ERROR"),
            ("42501", 1, "ERROR"),
        ],
    )
    def test_a_server_that_refuses_for_good_is_503(
        self, state: str, attempts: int, level: str, cleo_behind_proxy: Person, proxy: FaultyProxy, logged: Logged
    ) -> None:
        refused = []

        def refuse(client: socket.socket) -> None:
            refused.append(state)
            refuse_with(state)(client)

        proxy.fault = refuse
        check_unavailable(write(cleo_behind_proxy))
        assert refused == [state] * attempts
        assert levels_of_unavailable(logged) == [level]
        proxy.fault = None
        check_healed(cleo_behind_proxy)


class TestMisconfigured:
    """What only an operator can mend is logged as an error."""

    def test_a_wrong_password(
        self,
        cleo: Person,
        elsewhere: Elsewhere,
        fresh_database: DatabaseCopy,
        superuser: OwnerConnection,
        logged: Logged,
    ) -> None:
        superuser.run("drop role if exists todo_renamed")
        superuser.run("create role todo_renamed login noinherit password 'old'")
        superuser.run("grant todo_auth, todo_user to todo_renamed with inherit false, set true")
        there = elsewhere(cleo, database_url=fresh_database.login_url("todo_renamed", "new"))
        check_unavailable(write(there))
        assert levels_of_unavailable(logged) == ["ERROR"]
        superuser.run("alter role todo_renamed password 'new'")
        check_healed(there)
        superuser.run("drop role todo_renamed")

    def test_a_login_that_may_not_take_the_roles(
        self,
        cleo: Person,
        elsewhere: Elsewhere,
        fresh_database: DatabaseCopy,
        superuser: OwnerConnection,
        logged: Logged,
    ) -> None:
        superuser.run("drop role if exists todo_without_roles")
        superuser.run("create role todo_without_roles login noinherit password 'secret'")
        there = elsewhere(cleo, database_url=fresh_database.login_url("todo_without_roles", "secret"))
        check_unavailable(write(there))
        assert levels_of_unavailable(logged) == ["ERROR"]
        superuser.run("grant todo_auth, todo_user to todo_without_roles with inherit false, set true")
        check_healed(there)
        superuser.run("drop role todo_without_roles")

    def test_a_database_that_is_not_there(
        self, cleo: Person, elsewhere: Elsewhere, fresh_database: DatabaseCopy, logged: Logged
    ) -> None:
        check_unavailable(write(elsewhere(cleo, database_url=f"{fresh_database.url}_of_old")))
        assert levels_of_unavailable(logged) == ["ERROR"]

    @each_request
    def test_a_database_that_was_never_migrated(
        self, send: Request, cleo: Person, elsewhere: Elsewhere, fresh_database: DatabaseCopy, logged: Logged
    ) -> None:
        empty = DatabaseCopy(fresh_database.server, f"{fresh_database.name}_empty")
        empty.create(source="template0")
        check_unavailable(send(elsewhere(cleo, database_url=empty.url)))
        assert levels_of_unavailable(logged) == ["ERROR"]
        empty.drop()
