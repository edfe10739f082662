"""`sam local start-api` answers preflights as API Gateway does, from the same template."""

import json
import subprocess

import pytest

from backend import app
from dev.paths import CHECKOUT
from tests.support.missing import skip_or_fail

PYTHON = CHECKOUT / ".venv-sam" / "bin" / "python"
READ = """
import json, logging, sys
logging.disable()
from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
stacks, _ = SamLocalStackProvider.get_stacks("template.yaml", parameter_overrides={"FrontendUrl": sys.argv[1]})
print(json.dumps(ApiProvider(stacks).api.cors._asdict()))
"""


@pytest.mark.spec("NFR-024", "FR-039")
def test_sam_local_resolves_what_the_template_says_of_cors() -> None:
    if not PYTHON.exists():
        skip_or_fail("The SAM CLI is missing (make .venv-sam/installed): SAM LOCAL'S PREFLIGHTS ARE NOT TESTED")

    read = subprocess.run(
        [PYTHON, "-c", READ, "http://localhost:5173,http://localhost:3000"],
        check=False,
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
    )

    assert read.returncode == 0, read.stderr
    cors = json.loads(read.stdout.splitlines()[-1])
    assert cors["allow_origin"] == "http://localhost:5173,http://localhost:3000"
    assert cors["allow_credentials"] == "true"
    assert set(cors["allow_methods"].split(",")) == {*app.CORS_METHODS, "OPTIONS"}
    assert set(cors["allow_headers"].split(",")) == set(app.CORS_REQUEST_HEADERS)
