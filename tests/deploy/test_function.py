"""The function: its code, environment, rights, and how a new version is deployed."""

import pytest

from tests.deploy.conftest import Deploy
from tests.deploy.stack import Stack

SECRET = "{{resolve:secretsmanager:todo-api/dev:SecretString:"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/5f0e9f0c-6c4e-4c1c-9a53-7d1f0f2f0f11"
VERSION_ID = "6f1f4c53-0a4d-4d6e-9f3f-0a6d6c2f7d11"


def statements(stack: Stack) -> list[dict[str, object]]:
    """The statements of the policies of the function's role."""
    role = stack.properties("ApiFunctionRole")
    return [statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]


def test_it_runs_the_handler_on_one_processor(stack: Stack) -> None:
    function = stack.only("AWS::Lambda::Function")

    assert (function["Handler"], function["Runtime"]) == ("backend.main.handler", "python3.13")
    assert function["Architectures"] == ["x86_64"]
    assert int(function["MemorySize"]) == 1769
    assert function["Timeout"] < 30, "API Gateway gives up first, and the client learns nothing"
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert "ReservedConcurrentExecutions" not in function
    assert "SnapStart" not in function


def test_it_can_be_sized_by_parameters(deploy: Deploy) -> None:
    stack = deploy(Architecture="arm64", MemorySize="1024", ReservedConcurrency="50", SnapStart="on")

    function = stack.only("AWS::Lambda::Function")
    assert function["Architectures"] == ["arm64"]
    assert int(function["MemorySize"]) == 1024
    assert int(function["ReservedConcurrentExecutions"]) == 50
    assert function["SnapStart"] == {"ApplyOn": "PublishedVersions"}


def test_it_can_be_stopped_by_a_parameter(deploy: Deploy) -> None:
    function = deploy(ReservedConcurrency="0").only("AWS::Lambda::Function")

    assert int(function["ReservedConcurrentExecutions"]) == 0


def test_it_is_deployed_with_the_values_of_its_secret(deploy: Deploy) -> None:
    stack = deploy(FrontendUrl="https://todo.example.com", SecretVersionId=VERSION_ID)

    assert stack.only("AWS::Lambda::Function")["Environment"]["Variables"] == {
        "DATABASE_URL": f"{SECRET}DATABASE_URL::{VERSION_ID}}}}}",
        "BETTER_AUTH_SECRET": f"{SECRET}BETTER_AUTH_SECRET::{VERSION_ID}}}}}",
        "FRONTEND_URL": "https://todo.example.com",
        "LOG_LEVEL": "INFO",
        "POWERTOOLS_SERVICE_NAME": "todo-api-test",
        "TRUSTED_PROXY_HEADER": "CloudFront-Viewer-Address",
    }


def test_tokens_of_the_previous_secret_stay_valid_on_demand(deploy: Deploy) -> None:
    variables = deploy(AcceptPreviousSecret="true").only("AWS::Lambda::Function")["Environment"]["Variables"]

    assert variables["BETTER_AUTH_SECRET_PREVIOUS"] == f"{SECRET}BETTER_AUTH_SECRET_PREVIOUS::}}}}"


def test_a_proxy_of_ones_own_is_believed_on_demand(deploy: Deploy) -> None:
    stack = deploy(AcceptTrustedProxy="true", TrustedProxyHeader="X-Real-IP", SecretVersionId=VERSION_ID)

    variables = stack.only("AWS::Lambda::Function")["Environment"]["Variables"]
    assert variables["TRUSTED_PROXY_SECRET"] == f"{SECRET}TRUSTED_PROXY_SECRET::{VERSION_ID}}}}}"
    assert variables["TRUSTED_PROXY_HEADER"] == "X-Real-IP"


@pytest.mark.parametrize("optional", ["true", "false"])
def test_it_can_read_its_secret_itself(deploy: Deploy, optional: str) -> None:
    stack = deploy(ReadSecretAtStart="true", AcceptPreviousSecret=optional, AcceptTrustedProxy=optional)

    assert stack.only("AWS::Lambda::Function")["Environment"]["Variables"] == {
        "SECRET_ID": "todo-api/dev",
        "FRONTEND_URL": "http://localhost:3000",
        "LOG_LEVEL": "INFO",
        "POWERTOOLS_SERVICE_NAME": "todo-api-test",
        "TRUSTED_PROXY_HEADER": "CloudFront-Viewer-Address",
    }


def test_it_may_write_its_log_and_its_traces_and_nothing_else(stack: Stack) -> None:
    assert stack.only("AWS::Lambda::Function")["Role"] == "ApiFunctionRole.Arn"
    assert "ManagedPolicyArns" not in stack.properties("ApiFunctionRole")
    assert statements(stack) == [
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": "FunctionLogGroup.Arn",
        },
        {"Effect": "Allow", "Action": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "Resource": "*"},
    ]


def test_it_may_read_that_one_secret_if_it_reads_it_itself(deploy: Deploy) -> None:
    without, with_secret = statements(deploy()), statements(deploy(ReadSecretAtStart="true"))

    assert [statement for statement in with_secret if statement not in without] == [
        {
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:todo-api/dev-??????",
        }
    ]


def test_a_key_of_ones_own_encrypts_its_environment_and_the_logs(deploy: Deploy) -> None:
    without, with_key = deploy(), deploy(KmsKeyArn=KEY)

    assert "KmsKeyArn" not in without.only("AWS::Lambda::Function")
    assert with_key.only("AWS::Lambda::Function")["KmsKeyArn"] == KEY
    assert [group["KmsKeyId"] for group in with_key.of_type("AWS::Logs::LogGroup").values()] == [KEY, KEY]
    assert [statement for statement in statements(with_key) if statement not in statements(without)] == [
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY}
    ]


def test_only_lambda_takes_its_role(stack: Stack) -> None:
    trust = stack.properties("ApiFunctionRole")["AssumeRolePolicyDocument"]["Statement"]

    assert trust == [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]


def test_its_log_is_kept_for_a_limited_time(stack: Stack) -> None:
    function = stack.only("AWS::Lambda::Function")

    assert function["LoggingConfig"] == {"LogGroup": "FunctionLogGroup", "LogFormat": "Text"}
    assert all(int(group["RetentionInDays"]) == 30 for group in stack.of_type("AWS::Logs::LogGroup").values())


def test_its_logs_stay_when_the_stack_is_deleted(stack: Stack) -> None:
    for name in stack.of_type("AWS::Logs::LogGroup"):
        assert stack.resources[name]["DeletionPolicy"] == "RetainExceptOnCreate", name
        assert stack.resources[name]["UpdateReplacePolicy"] == "Retain", name


def test_a_new_stack_of_the_same_name_has_other_log_groups(stack: Stack) -> None:
    names = {group["LogGroupName"] for group in stack.of_type("AWS::Logs::LogGroup").values()}

    assert names == {"/aws/lambda/todo-api-test/1be46d90", "/aws/vendedlogs/http-api/todo-api-test/1be46d90"}


def test_the_alias_serves_the_requests(stack: Stack) -> None:
    alias = stack.only("AWS::Lambda::Alias")

    assert alias["Name"] == "live"
    (version,) = stack.of_type("AWS::Lambda::Version")
    assert alias["FunctionVersion"] == f"{version}.Version"


@pytest.mark.parametrize(
    "change",
    [
        {"FrontendUrl": "https://todo.example.com"},
        {"CorsExtraHeaders": "traceparent"},
        {"LogLevel": "DEBUG"},
        {"SecretName": "todo-api/other"},
        {"SecretVersionId": VERSION_ID},
        {"AcceptPreviousSecret": "true"},
        {"AcceptTrustedProxy": "true"},
        {"TrustedProxyHeader": "X-Real-IP"},
        {"KmsKeyArn": KEY},
        {"Version": "2.0.0+0aff2e8"},
        {"ReadSecretAtStart": "true"},
        {"Architecture": "arm64"},
        {"MemorySize": "1024"},
        {"SnapStart": "on"},
    ],
    ids="".join,
)
def test_a_changed_parameter_publishes_a_version(deploy: Deploy, change: dict[str, str]) -> None:
    before, after = deploy(), deploy(**change)

    assert after.of_type("AWS::Lambda::Version").keys() != before.of_type("AWS::Lambda::Version").keys()
    changed = after.only("AWS::Lambda::Function")
    assert changed != before.only("AWS::Lambda::Function"), "Lambda refuses to publish what has not changed"


@pytest.mark.parametrize(
    "change",
    [
        {"AlarmEmail": "ada@example.com"},
        {"DailyCostLimit": "50"},
        {"LogRetentionDays": "7"},
        {"ReservedConcurrency": "50"},
        {"Rollout": "canary"},
        {"ThrottleRate": "1000"},
    ],
    ids="".join,
)
def test_a_change_outside_the_version_publishes_none(deploy: Deploy, change: dict[str, str]) -> None:
    before, after = deploy(), deploy(**change)

    assert after.of_type("AWS::Lambda::Version").keys() == before.of_type("AWS::Lambda::Version").keys()


def test_its_description_names_its_commit_and_the_secrets_version(deploy: Deploy) -> None:
    stack = deploy(Version="2.0.0+0aff2e8", SecretVersionId=VERSION_ID)

    description = stack.only("AWS::Lambda::Function")["Description"]
    assert description.strip() == f"Todo API 2.0.0+0aff2e8, secret version {VERSION_ID}"
    assert len(description) <= 256, "Lambda's limit"


@pytest.mark.parametrize(
    ("parameters", "is_canary"),
    [
        ({"Environment": "dev"}, False),
        ({"Environment": "stage"}, False),
        ({"Environment": "prod"}, True),
        ({"Environment": "dev", "Rollout": "canary"}, True),
        ({"Environment": "prod", "Rollout": "all-at-once"}, False),
    ],
)
def test_production_deploys_a_canary_that_alarms_roll_back(
    deploy: Deploy, parameters: dict[str, str], is_canary: bool
) -> None:
    stack = deploy(**parameters)

    group = stack.only("AWS::CodeDeploy::DeploymentGroup")
    kind = "Canary10Percent5Minutes" if is_canary else "AllAtOnce"
    assert group["DeploymentConfigName"] == f"CodeDeployDefault.Lambda{kind}"
    assert group["AutoRollbackConfiguration"]["Enabled"] is True
    alarms = ["FunctionErrorsAlarm", "UnhandledErrorsAlarm", "DatabaseUnavailableAlarm"] if is_canary else []
    assert [alarm["Name"] for alarm in group.get("AlarmConfiguration", {}).get("Alarms", [])] == alarms
    assert stack.resources["ApiFunctionAliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"] == {
        "ApplicationName": "ServerlessDeploymentApplication",
        "DeploymentGroupName": "ApiFunctionDeploymentGroup",
    }
