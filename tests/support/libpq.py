"""Logging in with libpq, PostgreSQL's own client library, to compare our driver with it."""

import subprocess
from pathlib import Path

PSQL_SECONDS = 30
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PGCLIENTENCODING": "UTF8", "HOME": "/nonexistent"}


def libpq_failure(psql: Path, url: str, *, ca_file: Path | None = None, password: str | None = None) -> str | None:
    """What libpq says when it cannot log in. None when it can.

    :param psql: the program, of any version
    :param ca_file: the certificates to trust; None: sslmode=require verifies nothing
    :param password: in place of the one in the URL
    """
    environment = dict(ENVIRONMENT)
    if ca_file is not None:
        environment["PGSSLROOTCERT"] = str(ca_file)
    if password is not None:
        environment["PGPASSWORD"] = password
    run = run_psql(psql, url, "select 'logged in'", environment)
    assert run.stdout.strip() == ("logged in" if run.returncode == 0 else "")
    return None if run.returncode == 0 else run.stderr


def run_psql(
    psql: Path, url: str, statement: str, environment: dict[str, str] = ENVIRONMENT
) -> subprocess.CompletedProcess[str]:
    """Run one statement with psql, which asks for no password and reads no file of its user."""
    command = [
        str(psql),
        "--no-psqlrc",
        "--no-password",
        "--quiet",
        "--tuples-only",
        "--no-align",
        "--command",
        statement,
    ]
    return subprocess.run(
        [*command, url], check=False, capture_output=True, text=True, env=environment, timeout=PSQL_SECONDS
    )
