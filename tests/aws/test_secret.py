"""SECRET_ID: settings from Secrets Manager, and the error when they cannot be read."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from backend.settings import ConfigurationError, Settings, load_settings
from tests.conftest import ORIGIN, SECRET

moto = pytest.importorskip("moto")
boto3 = pytest.importorskip("boto3")

NAME = "todo-api/test"
URL = "postgresql://todo_api:hunter2-of-the-database@localhost/todo"
MEMBERS = {"DATABASE_URL": URL, "BETTER_AUTH_SECRET": SECRET}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore", "ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def secrets_manager(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Any]:
    """A client of a local Secrets Manager; of the environment only SECRET_ID and FRONTEND_URL are set."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)  # no `.env`
    account = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "eu-central-1"}
    for name, value in {**account, "SECRET_ID": NAME, "FRONTEND_URL": ORIGIN}.items():
        monkeypatch.setenv(name, value)
    with moto.mock_aws():
        yield boto3.client("secretsmanager")


def store(client: Any, members: object) -> None:
    client.create_secret(Name=NAME, SecretString=members if isinstance(members, str) else json.dumps(members))


def refusal() -> str:
    """The line with which a start with an unusable secret ends."""
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    line = str(refused.value)
    assert "\n" not in line
    assert "hunter2" not in line
    assert SECRET not in line
    return line


@pytest.mark.spec("NFR-003", "NFR-008", "SC-014")
def test_the_members_of_the_secret_become_settings(secrets_manager: Any) -> None:
    previous = "the secret before this one, as long as it has to be"
    store(secrets_manager, MEMBERS | {"BETTER_AUTH_SECRET_PREVIOUS": previous})

    settings = load_settings()

    assert settings.database().password == "hunter2-of-the-database"
    assert settings.better_auth_secret.get_secret_value() == SECRET
    assert settings.better_auth_secret_previous is not None
    assert settings.better_auth_secret_previous.get_secret_value() == previous


def test_the_secret_comes_before_the_environment(secrets_manager: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETTER_AUTH_SECRET", "what was deployed before the secret was rotated")
    store(secrets_manager, MEMBERS)

    assert load_settings().better_auth_secret.get_secret_value() == SECRET


def test_what_the_secret_leaves_out_comes_from_the_environment(
    secrets_manager: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    store(secrets_manager, {"BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_SECRET_PREVIOUS": ""})

    settings = load_settings()

    assert settings.database().user == "todo_api"
    assert settings.better_auth_secret_previous is None


def test_nothing_else_is_taken_from_the_secret(secrets_manager: Any) -> None:
    store(secrets_manager, MEMBERS | {"DATABASE_DIRECT_URL": "postgresql://owner:o@localhost/todo", "LOG_LEVEL": "x"})

    settings = load_settings()

    assert settings.database_direct_url is None
    assert settings.log_level == "INFO"


def test_a_rotated_secret_is_read_by_the_next_start(secrets_manager: Any) -> None:
    store(secrets_manager, MEMBERS)
    load_settings()
    rotated = "rotated, and as long as it has to be to count"
    secrets_manager.put_secret_value(SecretId=NAME, SecretString=json.dumps(MEMBERS | {"BETTER_AUTH_SECRET": rotated}))

    assert load_settings().better_auth_secret.get_secret_value() == rotated


def test_a_missing_secret_is_reported_in_one_line() -> None:
    assert refusal() == (
        "Configuration: the secret of SECRET_ID is unusable: there is no such secret, or it has no value yet"
    )


@pytest.mark.parametrize("text", ["hunter2", '"hunter2"', '["hunter2"]', '{"DATABASE_URL": "hunter2"', "1", "null"])
def test_a_secret_that_is_no_json_object_is_reported_without_its_text(secrets_manager: Any, text: str) -> None:
    store(secrets_manager, text)

    assert "it must be a JSON object of texts" in refusal()


def test_a_binary_secret_is_reported_in_one_line(secrets_manager: Any) -> None:
    secrets_manager.create_secret(Name=NAME, SecretBinary=b"hunter2")

    assert "it must be a JSON object of texts" in refusal()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"DATABASE_URL": URL}, "BETTER_AUTH_SECRET is not set"),
        (MEMBERS | {"BETTER_AUTH_SECRET": "hunter2"}, "BETTER_AUTH_SECRET: must be at least 32 characters"),
        (MEMBERS | {"DATABASE_URL": "mysql://u:hunter2@h/d"}, "DATABASE_URL: must start with postgresql://"),
        (MEMBERS | {"DATABASE_URL": {"url": "hunter2"}}, "DATABASE_URL"),
        (MEMBERS | {"BETTER_AUTH_SECRET": 12345}, "BETTER_AUTH_SECRET"),
    ],
)
def test_a_member_that_is_missing_or_unusable_is_named_without_its_value(
    secrets_manager: Any, members: object, message: str
) -> None:
    store(secrets_manager, members)

    assert message in refusal()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDeniedException", "the function may not read it (secretsmanager:GetSecretValue, kms:Decrypt)"),
        ("DecryptionFailure", "it cannot be decrypted (kms:Decrypt)"),
        ("InternalServiceError", "unusable: InternalServiceError"),
    ],
)
def test_a_refusal_of_secrets_manager_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

    def refuse(*_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "User: arn:hunter2 is not authorized"}}, "GetSecretValue")

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)

    assert message in refusal()


def test_a_missing_region_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")

    assert "Secrets Manager cannot be asked (NoRegionError)" in refusal()


def test_a_missing_boto3_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(__import__("sys").modules, "backend.settings.secret_source", raising=False)
    monkeypatch.setitem(__import__("sys").modules, "botocore.exceptions", None)

    assert refusal() == "Configuration: SECRET_ID needs boto3, which Lambda has and this Python has not"
