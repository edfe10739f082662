"""The application on a real server, without rate limits, which would stop a fuzzer."""

from collections.abc import Iterator

import httpx2
import pytest

from backend.app import create_app
from tests.conftest import NO_LIMITS, MakeSettings
from tests.support.people import Person
from tests.support.serving import serving


@pytest.fixture
def server(make_settings: MakeSettings) -> Iterator[str]:
    """The URL of a real server without rate limits."""
    with serving(create_app(make_settings(**NO_LIMITS))) as url:
        yield url


@pytest.fixture
def user(server: str) -> Iterator[Person]:
    """A user of that server."""
    with httpx2.Client(base_url=server) as http:
        yield Person.sign_up(http)
