"""The bundle's folder of CA certificates, in which OpenSSL finds one by its name."""

import ssl
import subprocess
from pathlib import Path

import certifi
import pytest

from backend.postgres import DatabaseUrl, InvalidDatabaseUrl
from backend.settings import ConfigurationError, database, load_database_settings
from dev.bundle.certificates import write_folder
from tests.support.database_copy import DatabaseCopy
from tests.support.database_fixtures import Elsewhere
from tests.support.missing import skip_or_fail
from tests.support.people import Person
from tests.support.pooler import Pooler, _find

URL = "postgresql://todo_api:secret@db.example.com/todo?sslmode=require"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that `make build` makes of certifi's certificates."""
    write_folder(Path(certifi.where()).read_text(), tmp_path / "certificates")
    return tmp_path / "certificates"


def test_each_certificate_has_the_name_that_openssl_looks_for(folder: Path) -> None:
    if _find("openssl") is None:
        skip_or_fail("openssl is missing (apt install openssl): THE NAMES OF CA CERTIFICATES ARE NOT COMPARED")
    files = sorted(folder.iterdir())
    hashes = [
        subprocess.run(
            ["openssl", "x509", "-noout", "-subject_hash", "-in", file], check=True, capture_output=True, text=True
        ).stdout.strip()
        for file in files
    ]

    assert [file.stem for file in files] == hashes
    assert len(files) == len(ssl.create_default_context(cafile=certifi.where()).get_ca_certs()) > 100


@pytest.mark.spec("NFR-006")
def test_a_server_is_verified_with_a_folder(
    pooler: Pooler, ada: Person, elsewhere: Elsewhere, shared_database: DatabaseCopy, folder: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    write_folder(pooler.ca_file.read_text(), own)

    trusting = elsewhere(ada, database_url=pooler.url(shared_database), database_ca_file=str(own))
    other = elsewhere(ada, database_url=pooler.url(shared_database), database_ca_file=str(folder))

    assert trusting.get("/api/tasks").status_code == 200
    assert other.get("/api/tasks").status_code == 503


def test_a_folder_without_certificates_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidDatabaseUrl, match="DATABASE_CA_FILE"):
        DatabaseUrl.parse(URL, ca_file=str(tmp_path)).tls_context()


@pytest.mark.usefixtures("no_dotenv")
def test_the_bundle_uses_its_own_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setattr(database, "BUNDLED_CERTIFICATES", folder)

    assert load_database_settings().database().ca_file == str(folder)


@pytest.mark.usefixtures("no_dotenv")
def test_a_bundle_on_lambda_that_lost_its_folder_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("AWS_EXECUTION_ENV", "AWS_Lambda_python3.13")
    monkeypatch.setattr(database, "BUNDLED_CERTIFICATES", tmp_path / "gone")

    with pytest.raises(ConfigurationError, match="no folder `certificates`"):
        load_database_settings()
