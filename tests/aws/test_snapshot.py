"""SnapStart: what must differ between the copies of one snapshot."""

import importlib
import random
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from backend.auth.tokens import Tokens
from backend.settings import ConfigurationError
from backend.web.parts import part_of
from tests.conftest import ORIGIN, SECRET, MakeSettings

HOOKS: list[Any] = []


@pytest.fixture
def main(no_dotenv: None, monkeypatch: pytest.MonkeyPatch, make_settings: MakeSettings) -> Iterator[ModuleType]:
    """`backend.main`, imported as before a snapshot."""
    HOOKS.clear()
    monkeypatch.setitem(
        sys.modules,
        "snapshot_restore_py",
        SimpleNamespace(register_after_restore=HOOKS.append),
    )
    variables = {
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
        "DATABASE_URL": make_settings().database_url.get_secret_value(),
        "BETTER_AUTH_SECRET": SECRET,
        "FRONTEND_URL": ORIGIN,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "backend.main", raising=False)
    yield importlib.import_module("backend.main")
    sys.modules.pop("backend.main", None)


def test_the_hook_is_registered_for_snapshots(main: ModuleType) -> None:
    assert [main.refresh_after_restore] == HOOKS


def test_random_numbers_differ_between_copies_of_a_snapshot(main: ModuleType) -> None:
    state = random.getstate()
    drawn = []
    for _ in range(2):
        random.setstate(state)
        main.refresh_after_restore()
        drawn.append(random.random())

    assert drawn[0] != drawn[1]


def test_without_a_secret_id_the_application_is_kept(main: ModuleType) -> None:
    before = main.handler.app

    main.refresh_after_restore()

    assert main.handler.app is before


def test_a_secret_rotated_since_the_snapshot_is_used_after_the_restore(
    main: ModuleType, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotated = "rotated, and as long as it has to be to count"
    monkeypatch.setattr(main, "settings", make_settings(secret_id="todo-api/test"))
    monkeypatch.setattr(main, "load_settings", lambda: make_settings(better_auth_secret=rotated))

    main.refresh_after_restore()

    assert part_of(main.handler.app, Tokens).secret == rotated


def test_a_secret_that_became_unusable_ends_the_copy_with_one_line(
    main: ModuleType, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, logged: Any
) -> None:
    def refuse() -> None:
        raise ConfigurationError("Configuration: the secret of SECRET_ID is unusable: there is no such secret")

    monkeypatch.setattr(main, "settings", make_settings(secret_id="todo-api/test"))
    monkeypatch.setattr(main, "load_settings", refuse)

    with pytest.raises(ConfigurationError):
        main.refresh_after_restore()
    assert [line["level"] for line in logged()] == ["CRITICAL"]
