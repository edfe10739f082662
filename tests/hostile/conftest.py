"""What hostile clients talk to: the application on a real server, without limits that a fuzzer would only run into."""

from collections.abc import Iterator

import httpx2
import pytest

from backend.app import create_app
from tests.conftest import NO_LIMITS, MakeSettings
from tests.support.people import Person
from tests.support.serving import serving


@pytest.fixture
def server(make_settings: MakeSettings) -> Iterator[str]:
    """The URL of a real server, where nobody is ever told to come back later."""
    with serving(create_app(make_settings(**NO_LIMITS))) as url:
        yield url


@pytest.fixture
def somebody(server: str) -> Iterator[Person]:
    """Somebody with an account on that server."""
    with httpx2.Client(base_url=server) as http:
        yield Person.sign_up(http)
