"""The sections of samconfig.toml: which can be deployed to, how they are written, and what is refused."""

import json
import subprocess
from pathlib import Path

import pytest

from dev.deploy.target import Target
from dev.paths import CHECKOUT
from dev.user_error import UserError
from tests.deploy import sam

CONFIG = CHECKOUT / "samconfig.toml"
OURS = {"https://todo.example.com": "https://todo.test", "https://stage.todo.example.com": "https://stage.todo.test"}
"""What an operator replaces before the first deployment."""
PARAMETERS = {
    "Environment": "eu",
    "FrontendUrl": "https://todo.test,https://www.todo.test",
    "SecretName": "todo-api/eu",
    "AlarmEmail": "o'brien@todo.test",
    "EmptyCodeHash": "",
    "LogLevel": 'a "quoted" value with spaces and a back\\slash',
}
"""As `sam deploy --guided` would save them, with everything that its format has to escape."""
GUIDED = """
import json, sys
from pathlib import Path
from samcli.cli.types import CfnParameterOverridesType
from samcli.commands.deploy.guided_config import GuidedConfig
from samcli.lib.config.samconfig import SamConfig

folder, section, parameters = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
saved = SamConfig(folder, "samconfig.toml")
for key, value in {"stack_name": "todo-api-eu", "region": "eu-west-1", "confirm_changeset": True}.items():
    saved.put(["deploy"], "parameters", key, value, env=section)
GuidedConfig(None, "parameters")._save_parameter_overrides(["deploy"], section, parameters, saved)
saved.flush()
text = SamConfig(folder, "samconfig.toml").get_all(["deploy"], "parameters", env=section)["parameter_overrides"]
print(json.dumps([text, CfnParameterOverridesType().convert((text,), None, None)]))
"""
"""What `sam deploy --guided` does after its questions, and how SAM reads it again."""


def configure(folder: Path, *changes: tuple[str, str]) -> Path:
    """The samconfig.toml of the checkout, after these replacements."""
    text = CONFIG.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "samconfig.toml").write_text(text)
    return folder / "samconfig.toml"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A samconfig.toml with an operator's own frontends and address."""
    return configure(tmp_path, *OURS.items(), ("AlarmEmail=none", "AlarmEmail=ada@todo.test"))


def test_dev_stage_and_prod_come_with_the_checkout(config: Path) -> None:
    targets = [Target.read(name, config) for name in ("dev", "stage", "prod")]

    assert [(target.section, target.stack, target.parameters["Environment"]) for target in targets] == [
        ("default", "todo-api-dev", "dev"),
        ("stage", "todo-api-stage", "stage"),
        ("prod", "todo-api-prod", "prod"),
    ]
    assert len({target.parameters["SecretName"] for target in targets}) == 3
    assert [(target.confirms, target.is_canary) for target in targets] == [(False, False), (False, True), (True, True)]


def test_a_section_that_sam_has_written_can_be_deployed_to(config: Path) -> None:
    written = subprocess.run(
        [sam.environment() / "bin" / "python", "-c", GUIDED, config.parent, "eu", json.dumps(PARAMETERS)],
        check=True,
        capture_output=True,
        text=True,
    )
    text, as_sam_reads_it = json.loads(written.stdout)
    assert isinstance(text, str)

    target = Target.read("eu", config)

    assert (target.section, target.stack, target.region, target.confirms) == ("eu", "todo-api-eu", "eu-west-1", True)
    assert target.parameters == {name: value for name, value in PARAMETERS.items() if value}
    assert as_sam_reads_it == PARAMETERS


@pytest.mark.parametrize(
    "overrides",
    [
        """["FrontendUrl=https://todo.test", "SecretName=todo-api/eu"]""",
        """["FrontendUrl=https://todo.test SecretName=todo-api/eu"]""",
        """'FrontendUrl=https://todo.test SecretName="todo-api/eu"'""",
        """{FrontendUrl = "https://todo.test", SecretName = "todo-api/eu"}""",
    ],
)
def test_every_form_that_sam_takes_is_read(tmp_path: Path, overrides: str) -> None:
    config = tmp_path / "samconfig.toml"
    config.write_text(f'[eu.deploy.parameters]\nstack_name = "todo"\nparameter_overrides = {overrides}\n')

    target = Target.read("eu", config)

    assert target.parameters == {"FrontendUrl": "https://todo.test", "SecretName": "todo-api/eu"}


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ('stack_name = "todo"', r"\[eu\] has no FrontendUrl; add it"),
        ('parameter_overrides = ["FrontendUrl=https://todo.test"]', r"\[eu\] has no stack_name"),
        ('stack_name = "todo"\nparameter_overrides = "FrontendUrl=https://todo.test"', r"\[eu\] has no SecretName"),
        ('stack_name = "todo"\nparameter_overrides = "ParameterKey=A,ParameterValue=b"', "as Name=value"),
        ("stack_name = todo", "samconfig.toml cannot be read: Invalid value"),
    ],
)
def test_a_section_that_is_incomplete_is_refused(tmp_path: Path, section: str, sentence: str) -> None:
    config = tmp_path / "samconfig.toml"
    config.write_text(f"[eu.deploy.parameters]\n{section}\n")

    with pytest.raises(UserError, match=sentence):
        Target.read("eu", config)


def test_an_unknown_environment_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="no section staging; ENV can be dev, stage, prod"):
        Target.read("staging", CONFIG)


@pytest.mark.spec("NFR-006")
@pytest.mark.parametrize("origin", ["https://todo.example.com", "http://todo.test", "https://todo.test,http://x.test"])
def test_an_example_or_a_frontend_without_https_does_not_reach_production(tmp_path: Path, origin: str) -> None:
    config = configure(tmp_path, ("https://todo.example.com", origin), ("AlarmEmail=none", "AlarmEmail=ada@todo.test"))

    with pytest.raises(UserError, match=r"FrontendUrl of \[prod\]"):
        Target.read("prod", config)


def test_the_example_of_another_environment_is_refused_too() -> None:
    with pytest.raises(UserError, match=r"FrontendUrl of \[stage\] is https://stage.todo.example.com"):
        Target.read("stage", CONFIG)


@pytest.mark.parametrize("instead", ["AlarmEmail=none", "LogLevel=INFO"], ids=["none", "left out"])
def test_production_without_an_address_for_alarms_is_refused(config: Path, instead: str) -> None:
    config.write_text(config.read_text().replace("AlarmEmail=ada@todo.test", instead))

    with pytest.raises(UserError, match=r"\[prod\] is production and has no AlarmEmail"):
        Target.read("prod", config)


def test_production_is_what_the_template_takes_for_it_whatever_its_section(config: Path) -> None:
    config.write_text(config.read_text().replace("[prod.", "[eu.").replace("ada@todo.test", "none"))

    with pytest.raises(UserError, match=r"\[eu\] is production"):
        Target.read("eu", config)


def test_no_parameter_is_empty_because_the_sam_cli_refuses_that(configured: dict[str, dict[str, str]]) -> None:
    assert all(all(parameters.values()) for parameters in configured.values())
