"""What an operator sees: alarms, the dashboard and saved queries; and that the function writes what they read."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from backend import telemetry
from dev.paths import CHECKOUT
from tests.deploy.conftest import Deploy
from tests.deploy.stack import Stack
from tests.support.people import Person

ALARMS = {
    "ServerErrorsAlarm": ("GreaterThanThreshold", 5),
    "FunctionErrorsAlarm": ("GreaterThanOrEqualToThreshold", 1),
    "UnhandledErrorsAlarm": ("GreaterThanOrEqualToThreshold", 1),
    "ThrottlesAlarm": ("GreaterThanOrEqualToThreshold", 1),
    "AuthDurationAlarm": ("GreaterThanThreshold", 500),
    "TaskDurationAlarm": ("GreaterThanThreshold", 200),
    "DatabaseUnavailableAlarm": ("GreaterThanOrEqualToThreshold", 1),
    "RefreshTokenReuseAlarm": ("GreaterThanOrEqualToThreshold", 1),
    "CostAlarm": ("GreaterThanThreshold", "5"),
}
COUNTED = ("DatabaseUnavailable", "RefreshTokenReuse", "RateLimited", "UnhandledError", "AnswerTooLarge", "ColdStart")


def widgets(stack: Stack) -> list[dict[str, Any]]:
    """The widgets of the dashboard."""
    body = json.loads(stack.only("AWS::CloudWatch::Dashboard")["DashboardBody"])
    shown: list[dict[str, Any]] = body["widgets"]
    return shown


def shown_metrics(stack: Stack) -> set[tuple[str, str]]:
    """Namespace and name of each metric on the dashboard, with its abbreviations (`.` and `...`) written out."""
    found = set()
    for widget in widgets(stack):
        before: list[Any] = []
        for line in widget["properties"].get("metrics", []):
            if not isinstance(line[0], str):
                continue  # an expression
            if line[0] != "...":
                names = [name for name in line if isinstance(name, str)]
                before = [before[at] if name == "." else name for at, name in enumerate(names)]
            found.add((before[0], before[1]))
            if before[0] == "TodoApi":
                assert before[2:4] == ["service", "todo-api-test"], "of this stack, not of another"
    return found


def test_every_alarm_that_an_operator_needs_is_there(stack: Stack) -> None:
    alarms = stack.of_type("AWS::CloudWatch::Alarm")

    assert {name: (alarm["ComparisonOperator"], alarm["Threshold"]) for name, alarm in alarms.items()} == ALARMS


def test_every_alarm_notifies_a_person_and_ignores_missing_data(stack: Stack) -> None:
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        assert alarm["AlarmActions"] == ["AlarmTopic"], name
        assert alarm["TreatMissingData"] == "notBreaching", name
        assert alarm["AlarmDescription"], name
        assert alarm["AlarmName"].startswith("todo-api-test-"), "two stacks of an account would share it"


def test_an_operator_can_read_what_to_do_about_each_alarm(deploy: Deploy) -> None:
    guide = (CHECKOUT / "docs" / "deploying.md").read_text()

    for alarm in deploy().of_type("AWS::CloudWatch::Alarm").values():
        assert f"| `{alarm['AlarmName'].removeprefix('todo-api-test-')}` |" in guide


def test_alarms_are_mailed_to_the_address_in_the_parameter(deploy: Deploy) -> None:
    assert not deploy().of_type("AWS::SNS::Subscription")
    assert deploy(AlarmEmail="ada@example.com").only("AWS::SNS::Subscription") == {
        "TopicArn": "AlarmTopic",
        "Protocol": "email",
        "Endpoint": "ada@example.com",
    }


@pytest.mark.parametrize(("alarm", "metric"), [("FunctionErrorsAlarm", "Errors"), ("ThrottlesAlarm", "Throttles")])
def test_lambdas_metrics_are_those_of_the_alias(deploy: Deploy, alarm: str, metric: str) -> None:
    watched = deploy().properties(alarm)

    assert (watched["Namespace"], watched["MetricName"]) == ("AWS/Lambda", metric)
    assert watched["Dimensions"] == [
        {"Name": "FunctionName", "Value": "ApiFunction"},
        {"Name": "Resource", "Value": "ApiFunction:live"},
    ]


def test_the_rate_of_server_errors_is_that_of_the_api(deploy: Deploy) -> None:
    queries = deploy().properties("ServerErrorsAlarm")["Metrics"]

    metrics = {query["Id"]: query["MetricStat"] for query in queries if "MetricStat" in query}
    assert {name: stat["Metric"]["MetricName"] for name, stat in metrics.items()} == {
        "requests": "Count",
        "errors": "5xx",
    }
    for stat in metrics.values():
        assert stat["Stat"] == "Sum"
        assert stat["Metric"]["Namespace"] == "AWS/ApiGateway"
        assert stat["Metric"]["Dimensions"] == [{"Name": "ApiId", "Value": "HttpApi"}]
    assert [query["Id"] for query in queries if query.get("ReturnData", True)] == ["percentage"]


@pytest.mark.parametrize(("architecture", "dollars"), [("x86_64", 2.35), ("arm64", 2.12)], ids=["x86_64", "arm64"])
def test_a_million_requests_cost_what_the_guide_says(deploy: Deploy, architecture: str, dollars: float) -> None:
    alarm = deploy(Architecture=architecture, DailyCostLimit="2.5").properties("CostAlarm")

    used = {"requests": 1_000_000, "invocations": 1_000_000, "milliseconds": 40 * 1_000_000}
    metrics = {query["Id"]: query["MetricStat"] for query in alarm["Metrics"] if "MetricStat" in query}
    (expression,) = [query["Expression"] for query in alarm["Metrics"] if "Expression" in query]
    assert eval(expression, {"FILL": lambda metric, _: metric}, used) == pytest.approx(dollars, abs=0.01)
    assert {name: stat["Metric"]["MetricName"] for name, stat in metrics.items()} == {
        "requests": "Count",
        "invocations": "Invocations",
        "milliseconds": "Duration",
    }
    assert {(stat["Stat"], stat["Period"]) for stat in metrics.values()} == {("Sum", 86400)}
    assert float(alarm["Threshold"]) == 2.5


@pytest.mark.spec("NFR-009", "NFR-010")
@pytest.mark.parametrize("group", ["Auth", "Task"])
def test_durations_are_compared_with_the_specification(deploy: Deploy, group: str) -> None:
    stack = deploy()
    written = stack.properties(f"{group}DurationFilter")["MetricTransformations"][0]

    queries = stack.properties(f"{group}DurationAlarm")["Metrics"]

    metrics = {query["Id"]: query["MetricStat"] for query in queries if "MetricStat" in query}
    assert {name: stat["Stat"] for name, stat in metrics.items()} == {"requests": "SampleCount", "p99": "p99"}
    for stat in metrics.values():
        assert stat["Metric"] == {"Namespace": written["MetricNamespace"], "MetricName": written["MetricName"]}
    assert [query["Expression"] for query in queries if "Expression" in query] == ["IF(requests >= 100, p99, 0)"]


@pytest.mark.parametrize(
    ("name", "routes"),
    [
        ("AuthDurationFilter", {"/api/auth/signin", "/api/auth/signup"}),
        ("TaskDurationFilter", {"/api/tasks", "/api/tasks/{task_id}", "/api/tasks/{task_id}/toggle"}),
    ],
)
def test_durations_are_those_of_the_right_routes(
    deploy: Deploy, client: TestClient, name: str, routes: set[str]
) -> None:
    pattern = deploy().properties(name)["FilterPattern"]

    wanted = re.findall(r'\$\.route = "([^"]+)"', pattern)
    served = {route.path for route in all_routes(client)}
    assert {path for path in served if any(fnmatchcase(path, glob) for glob in wanted)} == routes


def all_routes(client: TestClient) -> Iterator[APIRoute]:
    for path in client.get("/openapi.json").json()["paths"]:
        yield APIRoute(path, lambda: None)


def test_what_the_function_counts_is_what_alarms_and_dashboard_read(deploy: Deploy) -> None:
    stack = deploy()
    variables = stack.only("AWS::Lambda::Function")["Environment"]["Variables"]
    program = f"from backend.telemetry import count\nfor name in {COUNTED}: count(name)"

    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, env=variables, capture_output=True, text=True, check=True
    )

    written: dict[str, tuple[str, list[dict[str, str]]]] = {}
    for line in map(json.loads, ran.stdout.splitlines()):
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        (metric,), (dimensions,) = directive["Metrics"], directive["Dimensions"]
        named = [{"Name": dimension, "Value": line[dimension]} for dimension in dimensions]
        written[metric["Name"]] = (directive["Namespace"], named)
    assert written.keys() == set(COUNTED)
    assert {dimensions[0]["Value"] for _, dimensions in written.values()} == {"todo-api-test"}, "stacks count apart"
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        if alarm.get("MetricName") in COUNTED:
            assert (alarm["Namespace"], alarm["Dimensions"]) == written[alarm["MetricName"]], name
    assert {(namespace, name) for name, (namespace, _) in written.items()} <= shown_metrics(stack)


def test_the_dashboard_shows_the_four_golden_signals_and_the_database(stack: Stack) -> None:
    assert shown_metrics(stack) >= {
        ("AWS/ApiGateway", "Count"),
        ("AWS/ApiGateway", "5xx"),
        ("AWS/Lambda", "Errors"),
        ("AWS/ApiGateway", "Latency"),
        ("TodoApi/todo-api-test", "AuthDuration"),
        ("TodoApi/todo-api-test", "TaskDuration"),
        ("AWS/Lambda", "ConcurrentExecutions"),
        ("AWS/Lambda", "Throttles"),
        ("AWS/Lambda", "Duration"),
        ("TodoApi", "DatabaseUnavailable"),
        ("TodoApi", "RateLimited"),
    }
    alarms = next(widget["properties"]["alarms"] for widget in widgets(stack) if widget["type"] == "alarm")
    assert alarms == [f"{name}.Arn" for name in ALARMS]


def test_no_widgets_of_the_dashboard_overlap(deploy: Deploy) -> None:
    covered: set[tuple[int, int]] = set()
    for widget in widgets(deploy()):
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & covered, widget["properties"]["title"]
        assert widget["x"] + widget["width"] <= 24
        covered |= cells


def test_saved_queries_and_widgets_read_what_the_access_line_says(
    deploy: Deploy, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(telemetry.logger.registered_handler, "stream", log)
    ada.tasks()
    line = next(line for line in map(json.loads, log.getvalue().splitlines()) if line["message"] == "Request")
    stack = deploy()

    for pattern in (stack.properties(f"{group}DurationFilter")["FilterPattern"] for group in ("Auth", "Task")):
        assert set(re.findall(r"\$\.(\w+)", pattern)) <= line.keys()
    assert isinstance(line["duration_ms"], float)
    queries = {query["Name"]: query["QueryString"] for query in stack.of_type("AWS::Logs::QueryDefinition").values()}
    assert {name.partition("/")[2] for name in queries} == {
        "Slow requests",
        "Errors by route",
        "One request by its X-Request-ID",
    }
    fields = {"method", "route", "status", "duration_ms", "user_id", "request_id"}
    assert fields <= line.keys()
    used = set(re.findall(r"\b\w+_(?:ms|id)\b|\broute\b|\bmethod\b|\bstatus\b", " ".join(queries.values())))
    assert used == fields
