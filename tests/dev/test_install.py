"""The making of `.venv`: what is installed when, that it changes no other folder, and what it says."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev.install import environment
from dev.install.environment import Packages, complete
from dev.install.pip import Progress, RefusedByPip, pip_install, reason
from dev.user_error import UserError

NO_SPACE = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for `.venv`, with two sets of packages that are empty."""
    for file in ("start.txt", "dev.txt"):
        (tmp_path / file).touch()
    monkeypatch.setattr(environment, "ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(environment, "START", Packages("installed-for-start", (tmp_path / "start.txt",)))
    monkeypatch.setattr(environment, "COMPLETE", Packages("installed", (tmp_path / "start.txt", tmp_path / "dev.txt")))
    return tmp_path


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done instead of an installation, as names of files, and `anew` for a new environment."""
    done: list[str] = []

    def create(path: Path, **_: object) -> None:
        done.append("anew")
        for stamp in path.glob("*"):
            stamp.unlink() if not stamp.is_dir() else None
        (path / "bin").mkdir(parents=True, exist_ok=True)
        (path / "bin" / "python").touch()

    def install(_: Path, files: tuple[Path, ...], *__: str) -> None:
        done.extend(file.name for file in files)

    monkeypatch.setattr("venv.create", create)
    monkeypatch.setattr(environment, "pip_install", install)
    return done


def test_start_installs_its_own_packages_only(checkout: Path, installed: list[str]) -> None:
    complete(environment.START)

    assert installed == ["anew", "start.txt"]
    assert not (checkout / ".venv" / "installed").exists()


def test_what_is_said_is_not_in_the_way_of_an_answer_on_stdout(
    checkout: Path, installed: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    complete(environment.START)
    complete(environment.COMPLETE)

    out, err = capfd.readouterr()
    assert out == ""
    assert [line.partition(" into ")[0] for line in err.splitlines()] == [
        "Installing",
        "Installing what tests and tools need",
    ]


def test_what_is_there_is_not_installed_again(checkout: Path, installed: list[str]) -> None:
    for packages in (environment.START, environment.COMPLETE, environment.START, environment.COMPLETE):
        complete(packages)

    assert installed == ["anew", "start.txt", "start.txt", "dev.txt"]


@pytest.mark.parametrize("changed", ["start.txt", "dev.txt"])
def test_changed_packages_make_it_anew(checkout: Path, installed: list[str], changed: str) -> None:
    complete(environment.COMPLETE)
    (checkout / changed).write_text("# changed")
    installed.clear()

    complete(environment.COMPLETE)

    assert installed == ["anew", "start.txt", "dev.txt"]


@pytest.mark.parametrize("set_name", ["START", "COMPLETE"])
def test_an_installation_that_was_cut_short_begins_anew(
    checkout: Path, installed: list[str], monkeypatch: pytest.MonkeyPatch, set_name: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    complete(environment.START)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(environment, "pip_install", interrupt)
        with pytest.raises(KeyboardInterrupt):
            complete(environment.COMPLETE)
    installed.clear()

    complete(getattr(environment, set_name))

    assert installed[0] == "anew"


def test_an_environment_whose_python_has_gone_is_made_anew(checkout: Path, installed: list[str]) -> None:
    complete(environment.START)
    (checkout / ".venv" / "bin" / "python").unlink()

    complete(environment.START)

    assert installed == ["anew", "start.txt"] * 2


def test_a_link_is_replaced_and_what_it_leads_to_stays(checkout: Path) -> None:
    foreign, link = checkout / "theirs", checkout / ".venv"
    foreign.mkdir()
    (foreign / "installed").touch()
    link.symlink_to(foreign)

    environment._make_anew()

    assert not link.is_symlink()
    assert (link / "bin" / "python").exists()
    assert [path.name for path in foreign.iterdir()] == ["installed"]


def test_a_refusal_of_pip_s_is_one_sentence_with_its_reason(
    checkout: Path, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RefusedByPip(reason([NO_SPACE]))

    monkeypatch.setattr(environment, "pip_install", refuse)

    with pytest.raises(UserError, match=r"^pip cannot install the packages: .*No space left on device; start again"):
        complete(environment.START)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (["Collecting x", NO_SPACE, "", "[notice]"], NO_SPACE.removeprefix("ERROR: ")),
        (
            ["Traceback (most recent call last):", "OSError: [Errno 28] No space left"],
            "OSError: [Errno 28] No space left",
        ),
        (
            ["WARNING: Retrying after connection broken by 'refused'", "ERROR: No matching x"],
            "No matching x ('refused')",
        ),
        ([], "nothing"),
    ],
    ids=["an error", "a traceback", "no network", "silence"],
)
def test_the_reason_is_the_line_that_says_why(output: list[str], expected: str) -> None:
    assert reason(output) == expected


class TestProgress:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
        now = [0.0]
        monkeypatch.setattr("dev.install.pip.time.monotonic", lambda: now[0])
        return lambda seconds: now.__setitem__(0, seconds)

    def shown(self, clock: Callable[[float], None], output: Any, seconds: tuple[float, ...]) -> str:
        progress = Progress(output)
        for second in seconds:
            clock(second)
            progress.show(f"step {second:.0f}")
        progress.end()
        return str(output.getvalue())

    def test_on_a_terminal_one_line_moves(
        self, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        terminal = io.StringIO()
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.delenv("TERM", raising=False)

        assert self.shown(clock, terminal, (1, 2)) == "\r\033[K  step 1 (1 s)\r\033[K  step 2 (2 s)\r\033[K"

    def test_elsewhere_there_is_a_line_every_ten_seconds(self, clock: Callable[[float], None]) -> None:
        assert self.shown(clock, io.StringIO(), (1, 9, 11, 20, 22)) == "  step 11 (11 s)\n  step 22 (22 s)\n"


def test_pip_is_followed_and_its_failure_is_told(tmp_path: Path) -> None:
    lock_file = tmp_path / "lock.txt"
    lock_file.write_text("no-such-package==1 --hash=sha256:00\n")

    with pytest.raises(RefusedByPip, match=r"\w"):
        pip_install(Path(sys.executable), (lock_file,), "--no-index")


def test_ctrl_c_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    program = (
        "import sys, dev.install.__main__ as main\n"
        "def interrupt(*_): raise KeyboardInterrupt\n"
        "main.complete = interrupt\n"
        "sys.exit(main.main([]))"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)

    assert ran.returncode == 130
    assert ran.stderr.strip() == "Stopped during the installation; the next `make` installs again"
