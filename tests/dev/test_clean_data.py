"""`make clean-data`: it removes what `make start` has made, and nothing else."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dev.clean_data import clean
from dev.embedded_postgres import account
from dev.file_lock import acquire
from dev.user_error import UserError


@pytest.fixture
def locked() -> Iterator[ExitStack]:
    with ExitStack() as locked:
        yield locked


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Data as `make start` leaves them."""
    data = tmp_path / "checkout" / ".data"
    (data / "postgres" / "data").mkdir(parents=True)
    for name in ("better_auth_secret", "install.lock", "postgres.lock", "postgres/lock", "postgres/password"):
        (data / name).touch()
    return data


def test_removes_the_folder_and_says_so(data: Path, locked: ExitStack, capsys: pytest.CaptureFixture[str]) -> None:
    clean(data, locked)

    assert capsys.readouterr().out == f"Removed {data}\n"
    assert list(data.parent.iterdir()) == []


def test_where_there_is_nothing_it_does_nothing(tmp_path: Path, locked: ExitStack) -> None:
    clean(tmp_path / ".data", locked)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lock", ["postgres.lock", "postgres/lock"])
def test_refuses_while_something_runs_on_the_data(data: Path, locked: ExitStack, lock: str) -> None:
    held = acquire(data / lock)
    assert held is not None

    with pytest.raises(UserError, match=r"is running on .*; stop it first"):
        clean(data, locked)

    os.close(held)
    assert (data / "postgres" / "password").exists()


def test_a_foreign_link_is_removed_and_what_it_leads_to_stays(
    data: Path, locked: ExitStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "kept").touch()
    (data / "postgres-8001").symlink_to(foreign)

    clean(data, locked)

    assert not data.exists()
    assert (foreign / "kept").exists()
    assert str(foreign) in capsys.readouterr().out


def test_what_root_s_start_has_put_elsewhere_is_removed(
    data: Path, locked: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "SHARED", tmp_path)
    ours = account.shared_directory() / "tmp1"
    ours.mkdir()
    programs = account.shared_directory() / "programs-18"
    programs.mkdir()
    (data / "postgres-8001").symlink_to(ours)
    (data / "postgres-8002").symlink_to(programs)

    clean(data, locked)

    assert not ours.exists()
    assert programs.exists()


def test_a_data_that_is_a_link_loses_only_what_start_has_made(data: Path, locked: ExitStack, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    data.rename(target)
    (target / "thesis.txt").touch()
    data.symlink_to(target)

    clean(data, locked)

    assert not data.is_symlink()
    assert [path.name for path in target.iterdir()] == ["thesis.txt"]
