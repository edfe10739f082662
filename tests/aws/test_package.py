"""`sam build` and `sam package` for both processors: the object in S3 from which a deployment starts."""

import json
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from dev.bundle.target import PYTHON, Architecture
from dev.bundle.verify import verify
from dev.local_lambda.events import http_event
from dev.local_lambda.runtime_api import LambdaInstance
from tests.conftest import ORIGIN, SECRET
from tests.deploy import sam
from tests.deploy.sam import REGION

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.version_info[:2] != PYTHON, reason="only Python 3.13 can build the bundle"),
]

BUCKET = "todo-api-bundles"
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
ZIPPED_LIMIT_BYTES = 20_000_000
"""Lambda's own limit is 50 MB."""
FAKE_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


@dataclass(frozen=True)
class Package:
    """The results of one `sam build` and `sam package`."""

    architecture: Architecture
    built: Path
    """The folder that `sam build` filled."""
    template: dict[str, Any]
    """The template to deploy."""
    zipped: Path
    """The object in S3 that the template names."""
    unzipped: Path


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URL of a local S3 with an empty bucket."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client(url).create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    yield url
    server.stop()


def client(url: str) -> Any:
    style = Config(s3={"addressing_style": "path"})
    return boto3.client(
        "s3", REGION, endpoint_url=url, aws_access_key_id="testing", aws_secret_access_key="testing", config=style
    )


def sam_package(built_template: Path, s3: str) -> dict[str, Any]:
    """Upload the built bundle. Gives the template to deploy."""
    packaged = built_template.with_name("packaged.json")
    ran = sam.run(
        *("sam", "package", "--template-file", built_template, "--s3-bucket", BUCKET),
        *("--use-json", "--output-template-file", packaged),
        **FAKE_CREDENTIALS,
        AWS_ENDPOINT_URL_S3=s3,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    template: dict[str, Any] = json.loads(packaged.read_text())
    return template


@pytest.fixture(scope="module", params=["x86_64", "arm64"])
def package(request: pytest.FixtureRequest, s3: str, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """What a deployment would give to AWS, for each of Lambda's processors."""
    folder = tmp_path_factory.mktemp(request.param)
    processor = f"Architecture={request.param}"
    ran = sam.run(
        *("sam", "build", "--build-dir", folder / "build", "--parameter-overrides", processor),
        ARCH=request.param,
        PYTHON=sys.executable,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    template = sam_package(folder / "build/template.yaml", s3)
    bucket, _, key = template["Resources"]["ApiFunction"]["Properties"]["CodeUri"].removeprefix("s3://").partition("/")
    assert bucket == BUCKET
    client(s3).download_file(bucket, key, str(folder / "bundle.zip"))
    with ZipFile(folder / "bundle.zip") as zipped:
        zipped.extractall(folder / "task")
    architecture = Architecture.named(request.param)
    return Package(architecture, folder / "build/ApiFunction", template, folder / "bundle.zip", folder / "task")


def test_the_object_in_s3_passes_every_check_of_the_build(package: Package) -> None:
    """The checks: handler and packages, no forbidden files, hash-based bytecode, libraries of this processor, size."""
    verify(package.unzipped, package.architecture)


def test_everything_that_was_built_is_in_it_and_nothing_else(package: Package) -> None:
    built = {path.relative_to(package.built).as_posix() for path in package.built.rglob("*") if path.is_file()}

    with ZipFile(package.zipped) as zipped:
        assert {name for name in zipped.namelist() if not name.endswith("/")} == built


def test_every_file_in_it_has_the_same_time(package: Package) -> None:
    """So Python can validate bytecode by its hash only, and not by the time of the source."""
    with ZipFile(package.zipped) as zipped:
        assert {member.date_time for member in zipped.infolist()} == {ZIP_EPOCH}


def test_lambdas_user_may_read_every_file(package: Package) -> None:
    with ZipFile(package.zipped) as zipped:
        unreadable = [member.filename for member in zipped.infolist() if not member.external_attr >> 16 & 0o004]

    assert unreadable == []


def test_it_is_small(package: Package) -> None:
    assert package.zipped.stat().st_size < ZIPPED_LIMIT_BYTES


def test_equal_content_has_the_same_name_and_is_uploaded_once(package: Package, s3: str) -> None:
    objects = client(s3).list_objects_v2(Bucket=BUCKET)["Contents"]
    key = package.template["Resources"]["ApiFunction"]["Properties"]["CodeUri"].rpartition("/")[2]

    sam_package(package.built.parent / "template.yaml", s3)

    assert key in {uploaded["Key"] for uploaded in objects}
    assert client(s3).list_objects_v2(Bucket=BUCKET)["Contents"] == objects


@pytest.mark.skipif(sysconfig.get_platform() != "linux-x86_64", reason="this machine cannot run it")
@pytest.mark.parametrize("package", ["x86_64"], indirect=True)
def test_it_starts_and_answers(package: Package, runtime: Path) -> None:
    variables = {
        "DATABASE_URL": "postgresql://todo_api:password@localhost/todo",
        "BETTER_AUTH_SECRET": SECRET,
        "FRONTEND_URL": ORIGIN,
    }

    with LambdaInstance(package.unzipped, variables, python=(sys.executable, "-S"), path=(runtime,)) as instance:
        answer = instance.invoke(http_event("GET", "/"))

    assert answer.value["statusCode"] == 200, answer
