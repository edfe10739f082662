"""AWS's own tools find nothing wrong with the template, before and after its translation."""

import json
import re
from pathlib import Path

import pytest

from tests.deploy import sam
from tests.deploy.conftest import Deploy
from tests.deploy.sam import TEMPLATE, Translator


def test_sam_finds_the_template_valid() -> None:
    validated = sam.run("sam", "validate", "--lint")

    assert validated.returncode == 0, validated.stdout + validated.stderr


def test_cfn_lint_finds_what_is_deployed_valid(
    translator: Translator, configured: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    files = []
    for environment, parameters in configured.items():
        file = tmp_path / f"{environment}.json"
        file.write_text(json.dumps(translator.translate(parameters)))
        files.append(file)

    # W2001: SAM inserts the values of some parameters, which are unused afterwards. I4010 is explained in .cfnlintrc.
    linted = sam.run("cfn-lint", "--ignore-checks", "W2001", "I4010", "--", *files)

    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_every_parameter_says_what_it_is_for(translator: Translator) -> None:
    for name, parameter in translator.translate({})["Parameters"].items():
        assert parameter["Description"], name
        assert "Default" in parameter, f"{name}: `sam build` and `sam local` know no other value"
        constraints = {"AllowedPattern", "AllowedValues", "MinValue", "MaxValue"} & parameter.keys()
        assert constraints, f"{name} takes anything"


def test_an_operator_is_told_where_everything_is(deploy: Deploy) -> None:
    outputs = deploy().outputs

    assert outputs == {
        "ApiUrl": "https://HttpApi.execute-api.eu-central-1.amazonaws.com",
        "DocsUrl": "https://HttpApi.execute-api.eu-central-1.amazonaws.com/docs",
        "DashboardUrl": "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1"
        "#dashboards/dashboard/Dashboard",
        "FunctionName": "ApiFunction",
        "LogGroupName": "FunctionLogGroup",
        "AliasArn": "ApiFunctionAliaslive",
        "AlarmTopicArn": "AlarmTopic",
    }


def test_production_without_an_address_for_alarms_is_refused(deploy: Deploy) -> None:
    assert deploy(Environment="prod").refusals == ["Production needs an AlarmEmail, or no alarm reaches a person."]
    assert deploy(Environment="prod", AlarmEmail="ada@example.com").refusals == []
    assert deploy(Environment="stage").refusals == []


@pytest.mark.parametrize(
    ("name", "is_taken"), [("dev", True), ("stage", True), ("prod-eu", True), ("Prod", False), ("", False)]
)
def test_an_environment_can_have_any_simple_name(deploy: Deploy, name: str, is_taken: bool) -> None:
    pattern = deploy().template["Parameters"]["Environment"]["AllowedPattern"]

    assert bool(re.search(pattern, name)) is is_taken


@pytest.mark.spec("NFR-003", "NFR-008")
def test_no_secret_is_in_the_template() -> None:
    text = TEMPLATE.read_text()

    assert "postgresql://" not in text
    assert "resolve:secretsmanager:${SecretName}:" in text
