"""Fixtures for the template, translated as CloudFormation translates it."""

import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dev.paths import CHECKOUT
from tests.deploy.sam import Translator
from tests.deploy.stack import Stack


@pytest.fixture(scope="session")
def translator() -> Iterator[Translator]:
    translator = Translator()
    yield translator
    translator.close()


Deploy = Callable[..., Stack]


@pytest.fixture
def deploy(translator: Translator) -> Deploy:
    """What CloudFormation would create for these parameters."""

    def deployed(**parameters: str) -> Stack:
        return Stack(translator.translate(parameters), parameters)

    return deployed


@pytest.fixture(scope="session")
def configured() -> dict[str, dict[str, Any]]:
    """The parameters of each environment in samconfig.toml."""
    config = tomllib.loads((CHECKOUT / "samconfig.toml").read_text())
    return {
        environment: dict(
            override.split("=", 1) for override in config[section]["global"]["parameters"]["parameter_overrides"]
        )
        for environment, section in {"dev": "default", "prod": "prod"}.items()
    }


@pytest.fixture(params=["dev", "prod"])
def stack(request: pytest.FixtureRequest, deploy: Deploy, configured: dict[str, dict[str, Any]]) -> Stack:
    """What samconfig.toml deploys, for each environment."""
    return deploy(**configured[request.param])
