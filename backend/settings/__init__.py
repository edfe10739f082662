"""The environment as one validated object, and the AWS secret that part of it may come from."""

from backend.settings.database import ConfigurationError, DatabaseSettings
from backend.settings.environment import (
    Settings,
    load_database_settings,
    load_settings,
)

__all__ = ["ConfigurationError", "DatabaseSettings", "Settings", "load_database_settings", "load_settings"]
