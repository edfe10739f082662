"""Fixtures for the template, translated as CloudFormation translates it."""

import tomllib
from collections.abc import Callable, Iterator

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
def configured() -> dict[str, dict[str, str]]:
    """The parameters of each section of samconfig.toml, before an operator has replaced anything."""
    config = tomllib.loads((CHECKOUT / "samconfig.toml").read_text())
    return {
        section: dict(override.split("=", 1) for override in commands["global"]["parameters"]["parameter_overrides"])
        for section, commands in config.items()
        if section != "version"
    }


@pytest.fixture(params=["default", "stage", "prod"])
def stack(request: pytest.FixtureRequest, deploy: Deploy, configured: dict[str, dict[str, str]]) -> Stack:
    """What samconfig.toml deploys, for each environment."""
    return deploy(**configured[request.param])
