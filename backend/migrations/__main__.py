"""`make migrate`: apply the migrations to the database of DATABASE_URL, on the direct URL."""

import sys

from backend.migrations.apply import apply
from backend.settings import ConfigurationError, load_database_settings

try:
    settings = load_database_settings()
    apply(settings.database_direct(), settings.database(), print)
except (ConfigurationError, ValueError) as error:
    sys.exit(str(error))
