"""The metrics that operators read."""

import io
import json
import sys

import pytest

from backend import telemetry


def test_a_count_is_written_with_one_write_so_that_threads_do_not_mix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pieces: list[str] = []

    class Output(io.StringIO):
        def write(self, text: str) -> int:
            pieces.append(text)
            return len(text)

    monkeypatch.setattr(sys, "stdout", Output())

    telemetry.count("RateLimited")

    [line] = pieces
    assert line.endswith("\n")
    assert json.loads(line)["RateLimited"] == [1.0]
