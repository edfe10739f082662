"""What is said about a file of the checkout that cannot be used."""

import errno
import os
from pathlib import Path

import pytest

from dev.local_data import explain


def failure(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_another_user_names_that_user(tmp_path: Path) -> None:
    os.chown(tmp_path, 1, 1)

    said = explain(failure(errno.EACCES, tmp_path / "not there"))

    assert said.startswith(
        f"{tmp_path}/not there belongs to daemon, who has used this checkout before: go on as daemon"
    )
    assert "`make clean clean-data`" in said


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "(No space left on device); make room on the disk, and start again"),
        (errno.EROFS, "(Read-only file system); make "),
        (errno.EACCES, "or make a checkout of your own"),
        (errno.EISDIR, "cannot be used: Is a directory"),
    ],
)
def test_each_reason_has_its_advice(tmp_path: Path, number: int, advice: str) -> None:
    said = explain(failure(number, tmp_path / "file"))

    assert said.startswith(str(tmp_path / "file"))
    assert advice in said


def test_an_error_without_a_file_is_its_own_text() -> None:
    assert explain(OSError("the network is down")) == "the network is down"
