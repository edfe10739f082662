"""The environment is checked when the process starts. An error is one line that shows no value."""

import subprocess
import sys
from pathlib import Path

import pytest

from backend.settings import ConfigurationError, Settings, load_database_settings, load_settings

CHECKOUT = Path(__file__).resolve().parents[1]
NEEDED = {
    "DATABASE_URL": "postgresql://todo_api:p4ssw0rd@localhost/todo",
    "BETTER_AUTH_SECRET": "s3cr3t-s3cr3t-s3cr3t-s3cr3t-0123456789",
    "FRONTEND_URL": "https://todo.example.com",
}
NUMBERS = {
    "DATABASE_POOL_SIZE": (0, 0, 100),
    "ACCESS_TOKEN_EXPIRE_MINUTES": (15, 1, 1440),
    "REFRESH_TOKEN_EXPIRE_DAYS": (7, 1, 365),
    "REFRESH_REUSE_LEEWAY_SECONDS": (30, 0, 300),
    "SIGN_INS_PER_ACCOUNT": (50, 1, 10_000),
    "SIGNIN_FAILURES_PER_ACCOUNT_AND_ADDRESS": (10, 1, 10_000),
    "SIGNIN_FAILURES_PER_ACCOUNT": (100, 1, 10_000),
    "SIGNIN_FAILURES_PER_ADDRESS": (300, 1, 10_000),
    "SIGNIN_WINDOW_SECONDS": (900, 1, 86_400),
    "SIGNUPS_PER_ADDRESS": (200, 1, 10_000),
    "SIGNUP_WINDOW_SECONDS": (600, 1, 86_400),
    "REFRESHES_PER_SIGN_IN": (60, 1, 10_000),
    "REFRESH_WINDOW_SECONDS": (900, 1, 86_400),
    "TASKS_PER_USER": (10_000, 1, 100_000),
    "TASK_BYTES_PER_USER": (3_100_000, 20_000, 3_100_000),
}
"""Default, smallest and largest value of every number."""
NO_ORIGINS = [
    *(
        "*",
        "https://*.example.com",
        "https://a.example,*",
        "todo.example.com",
        "localhost:3000",
        "ftp://a.example",
        ",",
    ),
    *(
        "https://",
        "https://a.example/app",
        "https://a.example?x=1",
        "http://[::1",
        "https://a.example https://b.example",
    ),
]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment with only the required variables, and without a `.env`."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def complaint() -> str:
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    return str(raised.value)


@pytest.mark.spec("SC-014", "NFR-008", "NFR-021")
def test_three_variables_are_enough() -> None:
    settings = load_settings()

    assert settings.database().host == "localhost"
    assert settings.better_auth_secret.get_secret_value() == NEEDED["BETTER_AUTH_SECRET"]
    assert settings.frontend_url == ("https://todo.example.com",)
    assert {name: getattr(settings, name.lower()) for name in NUMBERS} == {
        name: default for name, (default, _, _) in NUMBERS.items()
    }
    assert settings.log_level == "INFO"
    assert settings.better_auth_secret_previous is None


@pytest.mark.spec("SC-014", "NFR-021")
@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("empty", [False, True], ids=["missing", "empty"])
def test_a_required_variable_is_named_when_it_is_not_set(
    environment: pytest.MonkeyPatch, name: str, empty: bool
) -> None:
    environment.setenv(name, "") if empty else environment.delenv(name)

    assert complaint() == f"Configuration: {name} is not set"


@pytest.mark.spec("SC-014", "NFR-021")
def test_everything_that_is_wrong_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    environment.setenv("BETTER_AUTH_SECRET", "weak")
    environment.setenv("TASKS_PER_USER", "many")

    line = complaint()

    assert "\n" not in line
    assert all(name in line for name in ("DATABASE_URL", "BETTER_AUTH_SECRET", "TASKS_PER_USER"))


@pytest.mark.spec("NFR-003", "SC-014", "SC-015")
@pytest.mark.parametrize("name", ["BETTER_AUTH_SECRET", "BETTER_AUTH_SECRET_PREVIOUS"])
def test_a_short_or_uniform_secret_is_refused(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.setenv(name, "0123456789" * 3 + "0")
    short = complaint()
    environment.setenv(name, "012345678" * 8)
    uniform = complaint()
    environment.setenv(name, "0123456789" * 3 + "01")
    load_settings()

    advice = "`openssl rand -base64 48` makes one"
    assert short == f"Configuration: {name}: must be at least 32 characters; {advice}"
    assert uniform == f"Configuration: {name}: must have at least 10 different characters; {advice}"


@pytest.mark.spec("NFR-003", "SC-014")
@pytest.mark.parametrize("secret", [" " * 64, "x" * 500, "changeme" * 8, "\u00e9a" * 20, "00112233" * 8])
def test_a_long_secret_of_few_characters_is_refused(environment: pytest.MonkeyPatch, secret: str) -> None:
    environment.setenv("BETTER_AUTH_SECRET", secret)

    assert "must have at least 10 different characters" in complaint()


@pytest.mark.spec("FR-039", "SC-014")
@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("http://localhost:3000/", ("http://localhost:3000",)),
        ("https://A.example,https://b.example:8443", ("https://a.example", "https://b.example:8443")),
        (" https://a.example , ,https://b.example/ ", ("https://a.example", "https://b.example")),
    ],
)
def test_origins_are_separated_by_commas(environment: pytest.MonkeyPatch, value: str, origins: tuple[str, ...]) -> None:
    environment.setenv("FRONTEND_URL", value)

    assert load_settings().frontend_url == origins


@pytest.mark.spec("FR-039", "SC-014")
@pytest.mark.parametrize("value", NO_ORIGINS)
def test_an_origin_is_a_scheme_and_a_host_and_never_a_pattern(environment: pytest.MonkeyPatch, value: str) -> None:
    environment.setenv("FRONTEND_URL", value)

    line = complaint()

    assert line.startswith("Configuration: FRONTEND_URL: ")
    assert "\n" not in line


@pytest.mark.spec("FR-039", "SC-014")
@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("", ()),
        ("traceparent", ("traceparent",)),
        (" X-Trace-Id,,sentry-trace , b3", ("X-Trace-Id", "sentry-trace", "b3")),
    ],
)
def test_further_cors_headers_are_separated_by_commas(
    environment: pytest.MonkeyPatch, value: str, names: tuple[str, ...]
) -> None:
    environment.setenv("CORS_EXTRA_HEADERS", value)

    assert load_settings().cors_extra_headers == names


@pytest.mark.spec("FR-039", "SC-014")
@pytest.mark.parametrize("value", ["*", "traceparent,*", "X Trace", "X-Trace: 1", "x\r\ny", "é", "x_y", "a;b", '"x"'])
def test_what_is_no_name_of_a_header_is_refused(environment: pytest.MonkeyPatch, value: str) -> None:
    environment.setenv("CORS_EXTRA_HEADERS", value)

    assert complaint() == (
        "Configuration: CORS_EXTRA_HEADERS: must be names of request headers, like traceparent,X-Trace-Id, "
        "separated by commas, never *"
    )


@pytest.mark.spec("SC-014", "NFR-021")
@pytest.mark.parametrize(("name", "limits"), NUMBERS.items(), ids=NUMBERS)
def test_numbers_have_limits(environment: pytest.MonkeyPatch, name: str, limits: tuple[int, int, int]) -> None:
    _, smallest, largest = limits
    for good in (smallest, largest):
        environment.setenv(name, str(good))
        assert getattr(load_settings(), name.lower()) == good
    for bad in (str(smallest - 1), str(largest + 1), "many", "1.5", "1e3"):
        environment.setenv(name, bad)
        line = complaint()

        assert line.startswith(f"Configuration: {name}: ")
        assert "\n" not in line


@pytest.mark.spec("SC-014", "NFR-015")
def test_the_log_level_must_be_a_known_one(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LOG_LEVEL", "debug")
    assert load_settings().log_level == "DEBUG"

    environment.setenv("LOG_LEVEL", "chatty")
    assert complaint().startswith("Configuration: LOG_LEVEL: ")


@pytest.mark.spec("NFR-007", "NFR-008", "SC-014", "SC-018")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://owner:p4ssw0rd@localhost/todo"),
        ("DATABASE_URL", "postgresql://owner:p4ssw0rd@db.example.com/todo?sslmode=disable"),
        ("DATABASE_URL", "postgresql://owner:p4ss#w0rd@localhost/todo"),
        ("DATABASE_URL", "p4ssw0rd"),
        ("DATABASE_DIRECT_URL", "postgresql://owner:p4ssw0rd@localhost"),
        ("BETTER_AUTH_SECRET", "p4ssw0rd"),
        ("BETTER_AUTH_SECRET_PREVIOUS", "p4ssw0rd"),
        ("FRONTEND_URL", "https://me:p4ssw0rd@example.com/x"),
        ("TASKS_PER_USER", "p4ssw0rd"),
        ("LOG_LEVEL", "p4ssw0rd"),
        ("DATABASE_CA_FILE", "/p4ssw0rd/ca.pem"),
    ],
)
def test_a_complaint_names_the_variable_and_never_shows_its_value(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    if name == "DATABASE_CA_FILE":
        environment.setenv("DATABASE_URL", "postgresql://owner:p4ssw0rd@db.example.com/todo")
    environment.setenv(name, value)

    line = complaint()

    assert name in line
    assert "\n" not in line
    assert all(secret not in line for secret in ("p4ss", "w0rd", "P4SS", "s3cr3t"))


@pytest.mark.spec("NFR-008", "SC-018")
def test_settings_never_show_their_secrets(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BETTER_AUTH_SECRET_PREVIOUS", NEEDED["BETTER_AUTH_SECRET"])
    environment.setenv("DATABASE_DIRECT_URL", NEEDED["DATABASE_URL"])
    settings = load_settings()

    shown = f"{settings} {settings!r} {settings.model_dump()} {settings.database()!r}"

    assert "s3cr3t" not in shown
    assert "p4ssw0rd" not in shown


@pytest.mark.spec("SC-014", "NFR-021")
def test_an_env_file_is_read_and_the_environment_takes_precedence(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(
        "# a comment\nFRONTEND_URL='https://from.file'\nTASKS_PER_USER=5\nSOMETHING_ELSE=x\nLOG_LEVEL=\n"
    )
    environment.setenv("TASKS_PER_USER", "7")
    environment.delenv("FRONTEND_URL")

    settings = load_settings()

    assert settings.frontend_url == ("https://from.file",)
    assert settings.tasks_per_user == 7
    assert settings.log_level == "INFO"


@pytest.mark.spec("SC-011", "SC-014", "NFR-021")
def test_the_process_ends_with_one_line_when_the_environment_is_broken(tmp_path: Path) -> None:
    environment = NEEDED | {"BETTER_AUTH_SECRET": "p4ssw0rd", "PYTHONPATH": str(CHECKOUT)}

    started = subprocess.run(
        [sys.executable, "-c", "import backend.main"],
        check=False, capture_output=True, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip

    [line] = (started.stdout + started.stderr).splitlines()
    assert started.returncode != 0
    assert "BETTER_AUTH_SECRET: must be at least 32 characters; `openssl rand -base64 48` makes one" in line
    assert "p4ssw0rd" not in line


@pytest.mark.spec("SC-011")
def test_the_process_starts_without_a_database(tmp_path: Path) -> None:
    """The first request connects, so that a cold start does not depend on the database."""
    program = "import backend.main; print(backend.main.app.title, callable(backend.main.handler))"

    started = subprocess.run(
        [sys.executable, "-c", program],
        check=False, capture_output=True, text=True, cwd=tmp_path, env=NEEDED | {"PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip

    assert (started.returncode, started.stdout, started.stderr) == (0, "Todo API True\n", "")


@pytest.mark.spec("FR-039")
@pytest.mark.parametrize("origin", ["https://x.example:443", "HTTPS://X.Example/"])
def test_an_origin_is_understood_as_browsers_send_it(environment: pytest.MonkeyPatch, origin: str) -> None:
    environment.setenv("FRONTEND_URL", origin)
    assert load_settings().frontend_url == ("https://x.example",)


@pytest.mark.spec("SC-014")
def test_migrations_need_nothing_but_the_database(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("BETTER_AUTH_SECRET")
    environment.delenv("FRONTEND_URL")
    assert load_database_settings().database().user
