"""A stand-in for the SAM CLI that does what it would leave behind: it makes a container, and never removes it.

`sam build` copies the sources. `sam local …` writes what it was given, and whether the database answers at the address
that a container would use, to the file that FAKE_SAM_REPORT names. `start-api` then stays until it is interrupted.
"""

import json
import subprocess
import time
from typing import Any

from tests.support.checkout_copy import CheckoutCopy
from tests.support.fake_engine import FakeEngine

MODULE = "dev.local_lambda.sam"
SECONDS = 60
PROGRAM = """
import http.client, json, os, pathlib, re, shutil, socket, sys, time
from urllib.parse import urlsplit

arguments = sys.argv[1:]
report = pathlib.Path(os.environ["FAKE_SAM_REPORT"])
if arguments == ["build"]:
    if reason := os.environ.get("FAKE_BUILD_FAILS"):
        sys.exit("Build Failed\\nError: CustomMakeBuilder:MakeBuild - Make Failed: " + reason + "\\nmake: ***")
    built = pathlib.Path(".aws-sam/build")
    shutil.rmtree(built, ignore_errors=True)
    shutil.copytree("backend", built / "ApiFunction/backend", ignore=shutil.ignore_patterns("migrations"))
    module = built / "ApiFunction/backend/__init__.py"
    module.write_text(re.sub('__version__ = "(.*)"', r'__version__ = "\\1+0aff2e8.dirty"', module.read_text()))
    (built / "template.yaml").touch()
    with report.with_suffix(".builds").open("a") as builds:
        builds.write("built\\n")
    sys.exit()

options = dict(zip(arguments, arguments[1:]))
files = {name: json.load(open(options[name])) for name in ("--event", "--env-vars") if name in options}
url = files["--env-vars"]["ApiFunction"]["DATABASE_URL"]
name, address = options["--add-host"].split(":")
assert name == urlsplit(url).hostname
with socket.create_connection((address, urlsplit(url).port), 10) as database:
    database.sendall(bytes([0, 0, 0, 8, 4, 210, 22, 47]))  # SSLRequest
    answer = database.recv(1).decode()

engine = http.client.HTTPConnection("localhost")
engine.sock = socket.socket(socket.AF_UNIX)
engine.sock.connect(os.environ["DOCKER_HOST"].removeprefix("unix://"))
engine.request("POST", "/containers/create", json.dumps({"Env": ["A=1", "DATABASE_URL=" + url]}))
engine.getresponse().read()

folder = os.path.dirname(options["--env-vars"])
seen = {"arguments": arguments, "database": answer, "pid": os.getpid(), "folder": folder}
fresh = report.with_suffix(".fresh")
fresh.write_text(json.dumps(seen | files))
fresh.rename(report)
if code := os.environ.get("FAKE_SAM_FAILS"):
    sys.exit(int(code))
if "start-api" in arguments:
    try:
        time.sleep(300)
    except KeyboardInterrupt:
        pass
"""


class Developer:
    """Runs the command in a copy of the checkout, with both stand-ins."""

    def __init__(self, copy: CheckoutCopy, engine: FakeEngine) -> None:
        self.copy, self.engine = copy, engine
        self.report = copy.temporary / "report"
        copy.write_program("sam", PROGRAM)

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        given = self.engine.variables | {"FAKE_SAM_REPORT": str(self.report)} | variables
        return self.copy.start(MODULE, *arguments, **given)

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*arguments, **variables)
        try:
            output, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def seen(self) -> dict[str, Any]:
        """What the stand-in for SAM was given."""
        deadline = time.monotonic() + SECONDS
        while not self.report.exists():
            assert time.monotonic() < deadline, "SAM was not started"
            time.sleep(0.05)
        return dict(json.loads(self.report.read_text()))

    def builds(self) -> int:
        builds = self.report.with_suffix(".builds")
        return len(builds.read_text().splitlines()) if builds.exists() else 0
