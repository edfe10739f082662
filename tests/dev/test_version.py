"""The version that a build gives itself: the release, and the commit that it was made from."""

import subprocess
from pathlib import Path

import pytest

from backend import __version__
from dev.version import version_of, write_version


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit, and a file of each kind that a build reads, or does not read."""
    for name in ("backend/__init__.py", "dev/bundle/assemble.py", "requirements.txt", "docs/deploying.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f'"""{name}"""\n\n__version__ = "0.0.0"\n')
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, *("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "--message=One"))
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    ran = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return ran.stdout.strip()


def test_it_names_the_commit(checkout: Path) -> None:
    assert version_of(checkout) == f"{__version__}+{git(checkout, 'rev-parse', 'HEAD')[:7]}"


@pytest.mark.parametrize(
    "name", ["backend/__init__.py", "backend/new.py", "dev/bundle/assemble.py", "requirements.txt"]
)
def test_it_says_that_what_is_built_differs_from_the_commit(checkout: Path, name: str) -> None:
    (checkout / name).write_text("changed = True\n")

    assert version_of(checkout).endswith(".dirty")


@pytest.mark.parametrize("name", ["docs/deploying.md", "samconfig.toml"])
def test_a_change_that_is_not_built_does_not_matter(checkout: Path, name: str) -> None:
    (checkout / name).write_text("changed\n")

    assert not version_of(checkout).endswith(".dirty")


def test_a_folder_without_a_commit_has_the_release_alone(tmp_path: Path) -> None:
    assert version_of(tmp_path) == __version__


def test_the_repository_around_an_unpacked_archive_is_not_named(checkout: Path) -> None:
    unpacked = checkout / "downloads" / "todo-api"
    (unpacked / "backend").mkdir(parents=True)
    (unpacked / "backend" / "__init__.py").touch()

    assert version_of(unpacked) == __version__


def test_a_machine_without_git_has_the_release_alone(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    assert version_of(checkout) == __version__


def test_a_git_hook_of_another_repository_does_not_mislead(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "--quiet")
    expected = version_of(checkout)

    monkeypatch.setenv("GIT_DIR", str(other / ".git"))

    assert version_of(checkout) == expected


def test_a_bundle_carries_it_where_the_release_stood(checkout: Path) -> None:
    write_version(checkout, "2.0.0+0aff2e8")

    assert (
        checkout / "backend/__init__.py"
    ).read_text() == '"""backend/__init__.py"""\n\n__version__ = "2.0.0+0aff2e8"\n'
