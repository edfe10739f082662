"""The connection string: what it means, what is refused, and how the server that it names is verified."""

import socket
import ssl
import subprocess
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.postgres import ConnectFailed, DatabaseUrl, InvalidDatabaseUrl, login
from backend.settings import ConfigurationError, load_settings
from tests.conftest import MakeSettings
from tests.support.database_copy import DatabaseCopy
from tests.support.database_fixtures import Elsewhere, Logged, StartPooler, levels_of_unavailable
from tests.support.people import Person
from tests.support.pooler import CertificateAuthority, Pooler, require_pgbouncer

NEON = "postgresql://ada:p%40ss@ep-cool-name-123-pooler.eu-central-1.aws.neon.tech/neondb"
AS_PRINTED = f"{NEON}?sslmode=require&channel_binding=require"
ADA = "postgresql://ada:secret"


@pytest.mark.spec("NFR-008")
@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+pg8000"])
def test_neons_string_is_accepted_as_printed(scheme: str) -> None:
    url = DatabaseUrl.parse(AS_PRINTED.replace("postgresql", scheme))
    assert url == DatabaseUrl(
        user="ada",
        password="p@ss",
        database="neondb",
        host="ep-cool-name-123-pooler.eu-central-1.aws.neon.tech",
        port=5432,
        tls=True,
        channel_binding_required=True,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{ADA}@db.example.com:6543/todo", {"host": "db.example.com", "port": 6543, "tls": True}),
        (f"  {ADA}@db.example.com/todo\n", {"host": "db.example.com", "database": "todo"}),
        (f"{ADA}@DB.Example.com/Todo", {"host": "db.example.com", "database": "Todo"}),
        (f"{ADA}@[2001:db8::7]:6543/todo", {"host": "2001:db8::7", "port": 6543, "tls": True}),
        (f"{ADA}@[::1]/todo", {"host": "::1", "port": 5432, "tls": False, "is_local": True}),
        (f"{ADA}@127.0.0.1/todo", {"host": "127.0.0.1", "tls": False, "is_local": True}),
        (f"{ADA}@localhost/todo", {"tls": False, "is_local": True}),
        (f"{ADA}@localhost/todo?sslmode=require", {"tls": True, "is_local": True}),
        (f"{ADA}@%2Ftmp%2FPG/todo", {"socket": "/tmp/PG/.s.PGSQL.5432", "host": "", "is_local": True}),
        (f"{ADA}@/todo?host=/tmp", {"socket": "/tmp/.s.PGSQL.5432", "tls": False}),
        (f"{ADA}@:6543/todo?host=/tmp", {"socket": "/tmp/.s.PGSQL.6543"}),
        ("postgresql://ada@/todo?host=/tmp", {"user": "ada", "password": None}),
        (f"{ADA}@h/todo?application_name=todo%20api", {"application_name": "todo api"}),
        ("postgresql://a%3Ab:%2F%3F%23%40%5B%25@h/my%20db", {"user": "a:b", "password": "/?#@[%", "database": "my db"}),
        ("postgresql://ada:p@ss@h/todo", {"password": "p@ss", "host": "h"}),
        ("postgresql://ada:%F0%9F%90%98@h/todo", {"password": "🐘"}),
        (f"{ADA}@h/todo?sslmode=verify-ca", {"tls": True}),
        (f"{ADA}@h/todo?sslmode=verify-full&channel_binding=prefer", {"tls": True, "channel_binding_required": False}),
        (f"{ADA}@h/todo?channel_binding=disable", {"tls": True, "channel_binding_required": False}),
        (f"{ADA}@h/todo", {"tls": True, "direct_tls": False, "pipeline": True}),
        (f"{ADA}@h/todo?sslnegotiation=postgres", {"tls": True, "direct_tls": False}),
        (f"{ADA}@h/todo?sslnegotiation=direct", {"tls": True, "direct_tls": True}),
        (f"{ADA}@localhost/todo?sslmode=require&sslnegotiation=direct", {"tls": True, "direct_tls": True}),
    ],
)
def test_a_connection_string_is_parsed(text: str, expected: dict[str, object]) -> None:
    url = DatabaseUrl.parse(text)
    assert {name: getattr(url, name) for name in expected} == expected


@pytest.mark.spec("NFR-006", "NFR-008")
@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must start with postgresql://"),
        ("mysql://ada:secret@h/todo", "must start with postgresql://"),
        ("ep-cool-name-123.aws.neon.tech", "must start with postgresql://"),
        ("postgresql://h/todo", "must name a user and a database"),
        (f"{ADA}@h", "must name a user and a database"),
        (f"{ADA}@h/a/b", "must name a user and a database"),
        (f"{ADA}@/todo", "must name a host"),
        (f"{ADA}@h:70000/todo", "is not a URL"),
        (f"{ADA}@h:port/todo", "is not a URL"),
        ("postgresql://ada:se[cret@h/todo", "percent-encode special characters of the password"),
        ("postgresql://ada:se/cret@h/todo", "percent-encode special characters of the password"),
        ("postgresql://ada:1/secret@h/todo", "percent-encode special characters of the password"),
        ("postgresql://ada:1?secret@h/todo", "percent-encode special characters of the password"),
        ("postgresql://ada:1@2/3?secret=4@h/todo", "percent-encode special characters of the password"),
        ("postgresql://ada:se#cret@h/todo", "percent-encode special characters of the password"),
        ("postgresql://ada:1#secret@h/todo", "write %23"),
        (f"{ADA}@h/todo?sslmode=on", "sslmode must be one of require, verify-ca, verify-full, disable, allow, prefer"),
        (f"{ADA}@h/todo?sslmode=", "sslmode must be one of"),
        (f"{ADA}@h/todo?channel_binding=always", "channel_binding must be one of disable, prefer, require"),
        (f"{ADA}@h/todo?sslrootcert=/ca.pem", "unknown parameter 'sslrootcert'"),
        (f"{ADA}@h/todo?options=-csearch_path%3Dx", "unknown parameter 'options'"),
        (f"{ADA}@h/todo?SSLMODE=require", "unknown parameter 'SSLMODE'"),
        (f"{ADA}@127.0.0.1/todo?channel_binding=require", "channel_binding=require needs sslmode=require"),
        (f"{ADA}@h/todo?sslnegotiation=always", "sslnegotiation must be one of postgres, direct"),
        (f"{ADA}@127.0.0.1/todo?sslnegotiation=direct", "sslnegotiation=direct needs sslmode=require"),
        (f"{ADA}@/todo?host=/tmp&sslnegotiation=direct", "sslnegotiation=direct needs sslmode=require"),
        (f"{ADA}@/todo?host=/tmp&sslmode=require", "a unix socket has no TLS"),
        *(
            (f"{ADA}@{host}/todo?sslmode={mode}", "sslmode weaker than require is only for a database on this machine")
            for mode in ("disable", "allow", "prefer")
            for host in ("h", "10.0.0.1", "host.docker.internal", "127.0.0.1.example.com", "localhost.example.com")
        ),
    ],
)
def test_an_unusable_connection_string_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(InvalidDatabaseUrl) as refused:
        DatabaseUrl.parse(text)
    assert complaint in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
def test_sam_local_may_reach_this_machine_by_name(mode: str) -> None:
    url = DatabaseUrl.parse(f"{ADA}@host.docker.internal/todo?sslmode={mode}", sam_local=True)
    assert not url.tls
    assert url.tls_context() is None


def test_sam_local_keeps_tls_unless_told_otherwise() -> None:
    assert DatabaseUrl.parse(AS_PRINTED, sam_local=True).tls


@pytest.mark.parametrize(
    ("host", "direct"),
    [
        ("ep-cool-name-123-pooler.eu-central-1.aws.neon.tech", "ep-cool-name-123.eu-central-1.aws.neon.tech"),
        ("ep-cool-name-123.eu-central-1.aws.neon.tech", "ep-cool-name-123.eu-central-1.aws.neon.tech"),
        ("db.my-pooler.example.com", "db.my-pooler.example.com"),
        ("a-pooler-b.example.com", "a-pooler-b.example.com"),
        ("db-pooler", "db"),
    ],
)
def test_migrations_go_around_neons_pooler(host: str, direct: str) -> None:
    url = DatabaseUrl.parse(f"{ADA}@{host}:6543/todo?channel_binding=require")
    assert (url.direct().host, url.direct().port) == (direct, 6543)
    assert (url.direct().password, url.direct().channel_binding_required) == ("secret", True)


def test_the_direct_url_may_be_given(make_settings: MakeSettings) -> None:
    derived = make_settings(database_url=AS_PRINTED)
    given_apart = make_settings(
        database_url=AS_PRINTED, database_direct_url="postgresql://owner:x@other.example.com/db"
    )
    assert derived.database_direct().host == "ep-cool-name-123.eu-central-1.aws.neon.tech"
    assert (given_apart.database_direct().user, given_apart.database_direct().host) == ("owner", "other.example.com")


MARK = "Hunter2Hunter2"
passwords = st.tuples(st.text(max_size=8), st.text(max_size=8)).map(lambda around: f"{around[0]}{MARK}{around[1]}")


@pytest.mark.spec("SC-018", "NFR-007", "NFR-008")
@given(password=passwords, rest=st.sampled_from(["@h/db", "@h/db?sslmode=disable", "@h/db?colour=red", "@", "@h:x/y"]))
@example(password=f"?{MARK}", rest="@h/db")
@example(password=f"1?{MARK}", rest="@h/db")
@example(password=f"1?{MARK}=", rest="@h/db")
@example(password=f"a@b/c?{MARK}", rest="@h/db")
@example(password=f"[{MARK}", rest="@h/db")
@example(password=f"#{MARK}", rest="@h/db")
@example(password=f"℀{MARK}", rest="@h/db")
def test_no_error_shows_the_password_however_it_was_typed(password: str, rest: str) -> None:
    for typed in (password, quote(password, safe="")):
        try:
            shown = repr(DatabaseUrl.parse(f"postgresql://ada:{typed}{rest}").password is None)
        except InvalidDatabaseUrl as refused:
            shown = "".join(traceback.format_exception(refused))
        assert MARK not in shown


@pytest.mark.parametrize("url", ["postgresql://ada:a%00b@h/db", "postgresql://a%00@h/db", "postgresql://ada@h%00/db"])
def test_a_null_character_is_refused(url: str) -> None:
    with pytest.raises(InvalidDatabaseUrl, match=r"U\+0000"):
        DatabaseUrl.parse(url)


@given(password=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_an_encoded_password_arrives_as_it_is_and_is_not_shown(password: str) -> None:
    url = DatabaseUrl.parse(f"postgresql://ada:{quote(password, safe='')}@h/db")
    assert url.password == password
    assert "password" not in repr(url)


@given(text=st.text(max_size=60))
def test_random_text_is_parsed_or_refused_without_another_error(text: str) -> None:
    for url in (text, f"postgresql://{text}", f"postgresql://a:b@{text}/c", f"postgresql://a:b@c/d?{text}"):
        with suppress(InvalidDatabaseUrl):
            DatabaseUrl.parse(url)


@pytest.mark.usefixtures("no_dotenv")
@pytest.mark.spec("SC-014", "SC-018", "NFR-021")
@pytest.mark.parametrize("variable", ["DATABASE_URL", "DATABASE_DIRECT_URL"])
def test_a_start_with_an_unusable_url_names_the_variable(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv("DATABASE_URL", AS_PRINTED)
    monkeypatch.setenv("BETTER_AUTH_SECRET", "a secret for the tests, long enough")
    monkeypatch.setenv("FRONTEND_URL", "http://localhost:3000")
    monkeypatch.setenv(variable, "postgresql://ada:Hunter2@h/db?colour=red")
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert str(refused.value).startswith(f"Configuration: {variable}: unknown parameter 'colour'")
    assert "Hunter2" not in str(refused.value)


def test_one_tls_context_serves_the_whole_process() -> None:
    first, second = DatabaseUrl.parse(AS_PRINTED), DatabaseUrl.parse(f"{ADA}@other.example.com/todo")
    context = first.tls_context()
    assert context is not None
    assert context is second.tls_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_direct_tls_has_a_context_of_its_own_that_names_the_protocol() -> None:
    usual, direct = DatabaseUrl.parse(AS_PRINTED), DatabaseUrl.parse(f"{AS_PRINTED}&sslnegotiation=direct")
    context = direct.tls_context()
    assert context is not None
    assert context is not usual.tls_context()
    assert context is direct.tls_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("content", [None, "", "not a certificate"])
def test_an_unusable_ca_file_stops_the_start(make_settings: MakeSettings, tmp_path: Path, content: str | None) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_text(content)
    with pytest.raises(ValueError, match="DATABASE_CA_FILE"):
        make_settings(database_url=AS_PRINTED, database_ca_file=str(ca_file))


@pytest.mark.parametrize("names", [[], ["ca.pem"], ["README", "5f15c80c.pem"]])
def test_a_ca_folder_without_hashed_names_stops_the_start(
    make_settings: MakeSettings, tmp_path: Path, names: list[str]
) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("-----BEGIN CERTIFICATE-----")
    with pytest.raises(ValueError, match="DATABASE_CA_FILE"):
        make_settings(database_url=AS_PRINTED, database_ca_file=str(folder))


@pytest.mark.spec("NFR-006", "NFR-014", "EDGE-database-connection-failure")
class TestVerification:
    """A server that cannot be verified gets no password."""

    def test_a_trusted_server_is_used(
        self, ada: Person, elsewhere: Elsewhere, pooler: Pooler, shared_database: DatabaseCopy
    ) -> None:
        for host in ("127.0.0.1", "localhost"):
            url = pooler.url(shared_database, host=host)
            assert elsewhere(ada, database_url=url, database_ca_file=str(pooler.ca_file)).tasks() == []

    def test_a_folder_of_authorities_is_searched_for_the_servers(
        self,
        ada: Person,
        elsewhere: Elsewhere,
        pooler: Pooler,
        shared_database: DatabaseCopy,
        tmp_path: Path,
    ) -> None:
        (tmp_path / "other").mkdir()
        others = CertificateAuthority(tmp_path / "other").ca_file.read_text()
        for folder, contents in (("known", [others, pooler.ca_file.read_text()]), ("unknown", [others])):
            (tmp_path / folder).mkdir()
            for number, content in enumerate(contents):
                (tmp_path / folder / f"{number}.pem").write_text(content)
            subprocess.run(["openssl", "rehash", str(tmp_path / folder)], check=True, capture_output=True)

        statuses = {
            folder: elsewhere(ada, database_url=pooler.url(shared_database), database_ca_file=str(tmp_path / folder))
            .get("/api/tasks")
            .status_code
            for folder in ("known", "unknown")
        }

        assert statuses == {"known": 200, "unknown": 503}

    def test_a_certificate_of_another_host_is_refused(
        self,
        ada: Person,
        elsewhere: Elsewhere,
        start_pooler: StartPooler,
        shared_database: DatabaseCopy,
        logged: Logged,
    ) -> None:
        impostor = start_pooler(names=["DNS:elsewhere.example.com"])
        url = impostor.url(shared_database)
        answer = elsewhere(ada, database_url=url, database_ca_file=str(impostor.ca_file)).get("/api/tasks")
        assert (answer.status_code, levels_of_unavailable(logged)) == (503, ["ERROR"])

    def test_a_certificate_of_an_unknown_authority_is_refused(
        self,
        ada: Person,
        elsewhere: Elsewhere,
        pooler: Pooler,
        shared_database: DatabaseCopy,
        logged: Logged,
    ) -> None:
        answer = elsewhere(ada, database_url=pooler.url(shared_database)).get("/api/tasks")
        assert (answer.status_code, levels_of_unavailable(logged)) == (503, ["ERROR"])

    def test_a_server_without_tls_is_refused(
        self, ada: Person, elsewhere: Elsewhere, shared_database: DatabaseCopy, logged: Logged
    ) -> None:
        answer = elsewhere(ada, database_url=f"{shared_database.url}?sslmode=require").get("/api/tasks")
        assert (answer.status_code, levels_of_unavailable(logged)) == (503, ["ERROR"])

    def test_a_login_without_the_required_channel_binding_is_refused(
        self,
        ada: Person,
        elsewhere: Elsewhere,
        pooler: Pooler,
        shared_database: DatabaseCopy,
        logged: Logged,
    ) -> None:
        def with_binding(binding: str) -> Person:
            url = pooler.url(shared_database, more=f"&channel_binding={binding}")
            return elsewhere(ada, database_url=url, database_ca_file=str(pooler.ca_file))

        assert with_binding("prefer").get("/api/tasks").status_code == 200
        assert with_binding("disable").get("/api/tasks").status_code == 200
        assert with_binding("require").get("/api/tasks").status_code == 503
        assert levels_of_unavailable(logged) == ["ERROR"]


def test_the_tls_handshake_names_the_host(tmp_path: Path) -> None:
    require_pgbouncer()  # its package installs openssl too
    authority = CertificateAuthority(tmp_path)
    key, certificate = authority.certify("DNS:localhost")
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda _, name, __: names.append(name)

    def serve() -> None:
        """Accept one connection like PostgreSQL, up to the end of the TLS handshake. Others are refused."""
        client, _ = listener.accept()
        listener.close()
        with client:
            client.recv(8)
            client.sendall(b"S")
            context.wrap_socket(client, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as threads:
        served = threads.submit(serve)
        text = f"{ADA}@localhost:{listener.getsockname()[1]}/todo?sslmode=require"
        with pytest.raises(ConnectFailed):
            login.log_in(DatabaseUrl.parse(text, ca_file=str(authority.ca_file)))
        served.result()
    assert names == ["localhost"]
