"""`make migrate`, and with `--check` `make check-database`: on the database of DATABASE_URL, as its owner.

Without a DATABASE_URL it is the database of `make start`.
"""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack

from backend.migrations.apply import apply
from backend.migrations.check import check
from backend.postgres import DatabaseUrl
from backend.settings import ConfigurationError, load_database_settings
from dev.command import exit_code
from dev.paths import CHECKOUT, LOCAL_DATA
from dev.start import variables
from dev.start.database import existing
from dev.user_error import UserError

Action = Callable[[DatabaseUrl, DatabaseUrl, Callable[[str], None]], None]


def main(arguments: list[str]) -> int:
    """Migrate, or check. Returns the exit code."""
    act = check if arguments == ["--check"] else apply
    with ExitStack() as running:
        return exit_code(lambda: _act(act, running), ConfigurationError, ValueError)


def _act(act: Action, running: ExitStack) -> None:
    from_developer = variables.read(CHECKOUT / ".env")
    os.environ |= from_developer
    data = LOCAL_DATA / "postgres"
    if "DATABASE_URL" not in from_developer and "SECRET_ID" not in from_developer and data.exists():
        if "DATABASE_DIRECT_URL" in from_developer:
            raise UserError(
                "DATABASE_DIRECT_URL is set, but DATABASE_URL is not: set both,"
                " or neither for the database of `make start`"
            )
        print(f"DATABASE_URL is not set, so this is the database of `make start` in {data}", flush=True)
        os.environ |= running.enter_context(existing(data))
    settings = load_database_settings()
    act(settings.database_direct(), settings.database(), print)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
