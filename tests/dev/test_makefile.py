"""The Makefile: which Python it takes, what it hands over, and that its checks notice what they are there for."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.missing import skip_or_fail

CHECKOUT = Path(__file__).resolve().parents[2]
COMMANDS_OF_PYENV = ("python3", "python3.11", "python3.12", "python3.13", "python3.14")
SHIM = """#!/bin/sh
echo "pyenv: version '3.13' is not installed (set by .python-version)" >&2
exit 1
"""


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make in `folder`, with PATH and these variables only."""
    environment = {"PATH": os.environ["PATH"]} | variables
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the Makefile, and with programs that only say how they were called."""
    shutil.copy(CHECKOUT / "Makefile", tmp_path)
    (tmp_path / "dev").mkdir()
    files = ("start", "dev", "optional")
    for file in ("requirements.txt", *(f"requirements/{name}.txt" for name in files), "dev/__init__.py"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    (tmp_path / "dev" / "install.py").write_text("import os\nprint(os.environ['CHOSEN'])\n")
    (tmp_path / "dev" / "new_migration.py").write_text("import sys\nprint(sys.argv[1:])\n")
    return tmp_path


class TestWhichPython:
    """`.python-version` has pyenv offer 3.13 alone. Its other commands fail, and all do where it has no 3.13."""

    @pytest.fixture
    def pyenv(self, folder: Path) -> Path:
        """A pyenv without 3.13, whose commands come first in PATH."""
        pyenv = folder / "pyenv"
        for name in COMMANDS_OF_PYENV:
            write_program(pyenv / "shims" / name, SHIM)
        return pyenv

    def install(self, pyenv: Path, version: str) -> None:
        program = f'#!/bin/sh\nCHOSEN={version} exec "{sys.executable}" "$@"\n'
        write_program(pyenv / "versions" / version / "bin" / "python", program)

    def chosen(self, pyenv: Path, *arguments: str) -> str:
        path = f"{pyenv / 'shims'}:/usr/bin:/bin"
        return make(pyenv.parent, ".venv/installed", *arguments, PATH=path, PYENV_ROOT=str(pyenv)).stdout.strip()

    def test_another_version_of_pyenv_s_is_found_by_its_path(self, pyenv: Path) -> None:
        self.install(pyenv, "3.12.1")

        assert self.chosen(pyenv) == "3.12.1"

    def test_the_version_that_lambda_runs_comes_first(self, pyenv: Path) -> None:
        for version in ("3.11.7", "3.12.1", "3.13.2", "3.14.0"):
            self.install(pyenv, version)

        assert self.chosen(pyenv) == "3.13.2"

    def test_a_version_of_pyenv_s_can_be_asked_for(self, pyenv: Path) -> None:
        for version in ("3.11.7", "3.13.2"):
            self.install(pyenv, version)

        assert self.chosen(pyenv, "PYTHON=python3.11") == "3.11.7"

    def test_the_one_that_is_asked_for_is_taken(self, folder: Path) -> None:
        write_program(folder / "mine", f'#!/bin/sh\nCHOSEN=mine exec "{sys.executable}" "$@"\n')

        assert make(folder, ".venv/installed", "PYTHON=./mine").stdout == "mine\n"

    def test_one_that_does_not_exist_is_one_clear_line(self, folder: Path) -> None:
        refused = make(folder, ".venv/installed", "PYTHON=python9")

        assert refused.returncode == 2
        assert refused.stderr.startswith(
            "PYTHON=python9 does not run. Python 3.11 or newer with its venv module is needed"
        )

    def test_one_that_is_too_old_is_told_its_version(self, folder: Path) -> None:
        write_program(folder / "old python", "#!/bin/sh\ncase $2 in *3,*11*) exit 1;; *) echo is 3.9.18;; esac\n")

        refused = make(folder, ".venv/installed", "PYTHON=./old python")

        assert refused.stderr.startswith("PYTHON=./old python is 3.9.18. Python 3.11 or newer")

    def test_one_in_a_path_with_spaces_is_taken(self, folder: Path) -> None:
        write_program(folder / "my pythons" / "one", f'#!/bin/sh\nCHOSEN=mine exec "{sys.executable}" "$@"\n')

        assert make(folder, ".venv/installed", "PYTHON=./my pythons/one").stdout == "mine\n"

    def test_another_is_looked_for_when_the_one_of_the_environment_has_gone(self, folder: Path) -> None:
        (folder / ".venv" / "bin").mkdir(parents=True)
        for name in ("installed", "installed-for-start"):
            (folder / ".venv" / name).touch()
        (folder / ".venv" / "bin" / "python").symlink_to("/nowhere/python")
        write_program(folder / "path" / "python3.13", f'#!/bin/sh\nCHOSEN=another exec "{sys.executable}" "$@"\n')

        made = make(folder, ".venv/installed-for-start", PATH=f"{folder / 'path'}:/usr/bin:/bin", HOME="/nowhere")

        assert made.stdout == "another\n"


class TestMigration:
    def called(self, folder: Path, *arguments: str, **variables: str) -> str:
        (folder / ".venv").symlink_to(sys.prefix)
        return make(folder, "--old-file=.venv/installed", "migration", *arguments, **variables).stdout.strip()

    def test_the_name_is_handed_over_as_one_argument(self, folder: Path) -> None:
        name = "add 'note'; echo $$HOME"

        assert self.called(folder, f"NAME={name}") == str([name.replace("$$", "$")])

    def test_the_machine_s_name_which_wsl_has_in_name_is_not_taken_for_one(self, folder: Path) -> None:
        assert self.called(folder, NAME="DESKTOP-1") == "[]"

    def test_an_empty_one_can_be_asked_for(self, folder: Path) -> None:
        assert self.called(folder, "NAME=policies", "EMPTY=yes") == "['policies', '--empty']"


class TestCheckWorkflows:
    @pytest.fixture
    def copy(self, tmp_path: Path) -> Path:
        """A copy of what is checked, and of what checks it."""
        shutil.copytree(CHECKOUT / ".github", tmp_path / ".github")
        (tmp_path / "dev").mkdir()
        for file in ("Makefile", ".pre-commit-config.yaml", "dev/pre-commit.schema.json"):
            shutil.copy(CHECKOUT / file, tmp_path / file)
        (tmp_path / ".venv").symlink_to(sys.prefix)
        return tmp_path

    def check(self, copy: Path) -> subprocess.CompletedProcess[str]:
        return make(copy, "--old-file=.venv/installed", "check-workflows")

    def test_ours_pass(self, copy: Path) -> None:
        checked = self.check(copy)

        assert checked.returncode == 0, checked.stdout + checked.stderr

    @pytest.mark.parametrize(
        ("file", "good", "bad"),
        [
            (".github/workflows/ci.yml", "runs-on:", "run-on:"),
            (".github/workflows/ci.yml", "    timeout-minutes: 60\n", ""),
            (".github/workflows/ci.yml", "@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7"),
            (".github/workflows/ci.yml", "permissions:\n      contents: read", "permissions: write-all"),
            (".github/workflows/deploy.yml", "persist-credentials: false", "fetch-depth: 1"),
            (".github/workflows/deploy.yml", 'test "$GITHUB_REF_NAME"', 'test "${{ github.ref_name }}"'),
            (".github/dependabot.yml", "package-ecosystem: npm", "package-ecosystem: node"),
            (".pre-commit-config.yaml", "repo: local", "repo: https://github.com/astral-sh/ruff-pre-commit"),
            (".pre-commit-config.yaml", "language: system", "langage: system"),
            (".pre-commit-config.yaml", "stages: [pre-push]", "stages: [pre-puhs]"),
        ],
        ids=[
            *("unknown key", "no time limit", "action not pinned", "too many rights", "credentials kept", "injection"),
            *("unknown ecosystem", "hook from the network", "unknown key of a hook", "unknown stage"),
        ],
    )
    def test_what_is_wrong_is_noticed(self, copy: Path, file: str, good: str, bad: str) -> None:
        text = (copy / file).read_text()
        assert good in text
        (copy / file).write_text(text.replace(good, bad, 1))

        assert self.check(copy).returncode != 0


@pytest.mark.long
@pytest.mark.timeout(300)
class TestValidate:
    @pytest.fixture
    def copy(self, tmp_path: Path) -> Path:
        """A copy of what is checked, and the environments with what checks it."""
        shutil.copytree(CHECKOUT / ".github", tmp_path / ".github")
        for file in ("Makefile", "template.yaml", "samconfig.toml", ".cfnlintrc", ".checkov.yaml"):
            shutil.copy(CHECKOUT / file, tmp_path / file)
        for name in (".venv-sam", ".venv-checkov"):
            if not (CHECKOUT / name / "installed").exists():
                skip_or_fail(f"{name} is not installed: `make validate` does it. Its checks are not tested")
            (tmp_path / name).symlink_to(CHECKOUT / name)
        return tmp_path

    @pytest.mark.parametrize(
        ("good", "bad", "reason"),
        [
            ("    UpdateReplacePolicy: Retain\n", "", "I3011"),
            ("      KmsKeyId: !If [HasKmsKey, !Ref KmsKeyArn, !Ref AWS::NoValue]\n", "", "CKV_AWS_158"),
        ],
        ids=["cfn-lint, for information", "checkov"],
    )
    def test_what_is_wrong_is_noticed(self, copy: Path, good: str, bad: str, reason: str) -> None:
        text = (copy / "template.yaml").read_text()
        assert good in text
        (copy / "template.yaml").write_text(text.replace(good, bad, 1))
        installed = [f"--old-file={name}/installed" for name in (".venv", ".venv-sam", ".venv-checkov")]

        checked = make(copy, *installed, "validate", HOME=str(copy), AWS_DEFAULT_REGION="eu-central-1")

        assert checked.returncode != 0
        assert reason in checked.stdout + checked.stderr


@pytest.mark.long
def test_coverage_fails_below_its_floor(tmp_path: Path) -> None:
    few_tests = "ARGS=-n0 -q tests/web/test_text.py"
    counts = {"COVERAGE_FILE": str(tmp_path / "coverage"), "HOME": str(tmp_path)}

    counted = make(CHECKOUT, "--old-file=.venv/installed", "coverage", few_tests, **counts)

    assert counted.returncode != 0
    assert "Required test coverage of 97.0% not reached" in counted.stdout, counted.stdout + counted.stderr


WAITS = """
import os, pathlib, time

def test_waits():
    pathlib.Path(__file__).with_name("pid").write_text(str(os.getpid()))
    time.sleep(100)
"""


def test_the_tests_end_when_their_make_is_killed(tmp_path: Path) -> None:
    (tmp_path / "test_waits.py").write_text(WAITS)
    pid = tmp_path / "pid"
    with_our_conftest = f"ARGS=-n0 -q -c pyproject.toml {tmp_path}/test_waits.py tests/test_layout.py"
    command = ["make", "--old-file=.venv/installed", "test", with_our_conftest]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        wait_until(lambda: pid.exists() and pid.read_text() != "")

        running.kill()

    wait_until(lambda: not is_running(int(pid.read_text())))


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def is_running(pid: int) -> bool:
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return listed.stdout.strip()[:1] not in ("", "Z")
