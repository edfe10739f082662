"""`make migrate`, and with `--check` `make check-database`: on the database of DATABASE_URL, as the owner."""

import sys

from backend.migrations.apply import apply
from backend.migrations.check import check
from backend.settings import ConfigurationError, load_database_settings

try:
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit("usage: python -m backend.migrations [--check]")
    settings = load_database_settings()
    act = check if sys.argv[1:] else apply
    act(settings.database_direct(), settings.database(), print)
except (ConfigurationError, ValueError) as error:
    sys.exit(str(error))
