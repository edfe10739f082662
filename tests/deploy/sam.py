"""SAM's tools. They pin packages that contradict ours, so they have an environment of their own: .venv-sam."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dev.paths import CHECKOUT
from tests.support.missing import skip_or_fail

TEMPLATE = CHECKOUT / "template.yaml"
REGION = "eu-central-1"


def environment() -> Path:
    """Where SAM is installed. Skips the test where it is not, but never in CI."""
    directory = Path(os.environ.get("SAM_ENVIRONMENT", CHECKOUT / ".venv-sam"))
    if not (directory / "bin" / "sam").exists():
        skip_or_fail(f"SAM is not installed in {directory}: `make .venv-sam/installed` does it")
    return directory


def run(program: str, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one of SAM's programs in the checkout, without an account and without telemetry."""
    command = [environment() / "bin" / program, *arguments]
    environ = _variables() | variables
    return subprocess.run(command, check=False, cwd=CHECKOUT, env=environ, capture_output=True, text=True)


class Translator:
    """SAM's transform, as CloudFormation runs it, kept running for many translations."""

    def __init__(self) -> None:
        self._answers: dict[str, str] = {}
        program = [environment() / "bin" / "python", Path(__file__).with_name("translate.py"), TEMPLATE]
        self._process = subprocess.Popen(
            program, env=_variables(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def translate(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """The CloudFormation template that these parameters give."""
        question = json.dumps(dict(parameters), sort_keys=True)
        if question not in self._answers:
            assert self._process.stdin
            assert self._process.stdout
            print(question, file=self._process.stdin, flush=True)
            self._answers[question] = self._process.stdout.readline()
            assert self._answers[question], "the translation failed; it says why on standard error"
        translated: dict[str, Any] = json.loads(self._answers[question])
        return translated

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0


def _variables() -> dict[str, str]:
    return {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION}
