"""The HTTP API in front of the function: its routes, throttling, access log, and answers to preflights."""

import json
import re
from typing import Any

import pytest

from backend.app import CORS_EXPOSED_HEADERS, CORS_METHODS, CORS_REQUEST_HEADERS
from tests.conftest import MakeClient
from tests.deploy.conftest import Deploy
from tests.deploy.stack import Stack

ROUTES = {
    "/$default": "x-amazon-apigateway-any-method",
    "/api/auth/signin": "post",
    "/api/auth/signup": "post",
}
"""The paths of the definition, and which requests each serves."""
SAFELISTED = {"accept", "accept-language", "content-language", "content-type"}
"""Request headers that browsers may send without a preflight (Fetch, "CORS-safelisted request-header")."""
ORIGINS = ["https://todo.example.com", "http://localhost:3000"]


def document(stack: Stack) -> dict[str, Any]:
    """The API's definition."""
    body: dict[str, Any] = stack.only("AWS::ApiGatewayV2::Api")["Body"]
    return body


def names(value: str) -> set[str]:
    """The members of a header's list, in lower case."""
    return {name.strip().lower() for name in value.split(",")}


def test_every_path_without_a_prefix_goes_to_the_alias(stack: Stack) -> None:
    assert stack.only("AWS::ApiGatewayV2::Stage")["StageName"] == "$default"
    paths = document(stack)["paths"]
    assert paths.keys() == ROUTES.keys()
    for path, method in ROUTES.items():
        (operation,) = paths[path].items()
        assert operation[0] == method
        assert operation[1].get("isDefaultRoute", False) is (path == "/$default")
        integration = operation[1]["x-amazon-apigateway-integration"]
        assert "functions/ApiFunctionAliaslive/invocations" in integration["uri"], path
        assert integration["payloadFormatVersion"] == "2.0"


def test_only_this_api_may_invoke_the_alias(stack: Stack) -> None:
    permissions = stack.of_type("AWS::Lambda::Permission").values()

    assert len(permissions) == len(ROUTES)
    for permission in permissions:
        assert permission["Principal"] == "apigateway.amazonaws.com"
        assert permission["Action"] == "lambda:InvokeFunction"
        assert permission["FunctionName"] == "ApiFunctionAliaslive"
        assert permission["SourceArn"].startswith("arn:aws:execute-api:eu-central-1:123456789012:HttpApi/")


@pytest.mark.spec("NFR-005")
def test_throttling_limits_floods_and_limits_sign_ins_more(stack: Stack) -> None:
    stage = stack.only("AWS::ApiGatewayV2::Stage")

    whole = {name: int(value) for name, value in stage["DefaultRouteSettings"].items()}
    assert whole == {"ThrottlingRateLimit": 500, "ThrottlingBurstLimit": 1000}
    assert stage["RouteSettings"] == {
        "POST /api/auth/signin": {"ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 200},
        "POST /api/auth/signup": {"ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 200},
    }


@pytest.mark.spec("SC-006", "NFR-012")
def test_throttling_lets_a_hundred_clients_in_at_once(deploy: Deploy) -> None:
    stage = deploy(ThrottleRate="200", ThrottleBurst="400").only("AWS::ApiGatewayV2::Stage")

    for settings in (stage["DefaultRouteSettings"], *stage["RouteSettings"].values()):
        assert int(settings["ThrottlingBurstLimit"]) >= 200
        assert int(settings["ThrottlingRateLimit"]) >= 100


def test_throttling_can_be_set_by_parameters(deploy: Deploy) -> None:
    stage = deploy(ThrottleRate="2000", ThrottleBurst="3000").only("AWS::ApiGatewayV2::Stage")

    assert {name: int(value) for name, value in stage["DefaultRouteSettings"].items()} == {
        "ThrottlingRateLimit": 2000,
        "ThrottlingBurstLimit": 3000,
    }


def test_each_request_is_logged_as_one_line_of_json(stack: Stack) -> None:
    settings = stack.only("AWS::ApiGatewayV2::Stage")["AccessLogSettings"]

    assert settings["DestinationArn"] == "AccessLogGroup.Arn"
    assert "\n" not in settings["Format"]
    nothing_applies = re.sub(r"\$context\.[\w.]+", "-", settings["Format"])
    assert json.loads(nothing_applies).keys() >= {"requestId", "status", "routeKey", "latencyMs", "integrationError"}


@pytest.mark.spec("FR-039", "NFR-024", "SC-008")
def test_a_preflight_is_answered_like_by_the_local_server(deploy: Deploy, make_client: MakeClient) -> None:
    gateway = document(deploy(FrontendUrl=",".join(ORIGINS)))["x-amazon-apigateway-cors"]
    local = make_client(frontend_url=",".join(ORIGINS))

    assert gateway["allowOrigins"] == ORIGINS
    for origin in ORIGINS:
        asked = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
        answer = local.options("/api/tasks", headers=asked).headers
        assert answer["Access-Control-Allow-Origin"] == origin
        assert names(answer["Access-Control-Allow-Methods"]) == names(",".join(gateway["allowMethods"]))
        assert names(answer["Access-Control-Allow-Headers"]) == names(",".join(gateway["allowHeaders"])) | SAFELISTED
        assert json.loads(answer["Access-Control-Allow-Credentials"]) is gateway["allowCredentials"]
        assert int(answer["Access-Control-Max-Age"]) == gateway["maxAge"]


@pytest.mark.spec("FR-039", "NFR-024", "SC-008")
def test_an_answer_exposes_the_same_headers_as_the_local_server(deploy: Deploy, make_client: MakeClient) -> None:
    gateway = document(deploy())["x-amazon-apigateway-cors"]

    answer = make_client().get("/", headers={"Origin": "http://localhost:3000"}).headers

    assert names(answer["Access-Control-Expose-Headers"]) == names(",".join(gateway["exposeHeaders"]))


@pytest.mark.spec("NFR-024")
def test_cors_is_what_the_application_declares(deploy: Deploy) -> None:
    gateway = document(deploy())["x-amazon-apigateway-cors"]

    assert gateway["allowMethods"] == list(CORS_METHODS)
    assert gateway["allowHeaders"] == list(CORS_REQUEST_HEADERS)
    assert gateway["exposeHeaders"] == list(CORS_EXPOSED_HEADERS)


@pytest.mark.spec("FR-039", "NFR-024")
def test_further_request_headers_reach_api_gateway_and_the_function(deploy: Deploy) -> None:
    stack = deploy(CorsExtraHeaders="traceparent,X-Trace-Id")

    allowed = document(stack)["x-amazon-apigateway-cors"]["allowHeaders"]
    variables = stack.only("AWS::Lambda::Function")["Environment"]["Variables"]
    assert allowed == [*CORS_REQUEST_HEADERS, "traceparent", "X-Trace-Id"]
    assert variables["CORS_EXTRA_HEADERS"] == "traceparent,X-Trace-Id"


@pytest.mark.parametrize(
    ("names", "is_taken"),
    [
        ("none", True),
        ("traceparent,tracestate", True),
        ("sentry-trace,baggage,b3", True),
        ("", False),
        ("*", False),
        ("traceparent,*", False),
        ("traceparent, tracestate", False),
        ("traceparent,", False),
        ("X-Trace:1", False),
        ("x_y", False),
    ],
)
def test_only_names_of_headers_are_taken(deploy: Deploy, names: str, is_taken: bool) -> None:
    pattern = deploy().template["Parameters"]["CorsExtraHeaders"]["AllowedPattern"]

    assert bool(re.search(pattern, names)) is is_taken


@pytest.mark.parametrize(
    ("origins", "is_taken"),
    [
        ("https://todo.example.com", True),
        ("https://todo.example.com,http://localhost:3000", True),
        ("https://todo.example.com/", False),
        ("https://todo.example.com, https://www.example.com", False),
        ("https://Todo.example.com", False),
        ("https://todo.example.com/app", False),
        ("https://*.example.com", False),
        ("*", False),
        ("", False),
    ],
)
def test_origins_that_api_gateway_would_compare_differently_are_refused(
    deploy: Deploy, origins: str, is_taken: bool
) -> None:
    pattern = deploy().template["Parameters"]["FrontendUrl"]["AllowedPattern"]

    assert bool(re.search(pattern, origins)) is is_taken


@pytest.mark.spec("NFR-006")
def test_the_api_is_reachable_over_https_only(deploy: Deploy) -> None:
    stack = deploy()

    assert document(stack).get("schemes", ["https"]) == ["https"]
    assert not stack.of_type("AWS::Lambda::Url")
    assert stack.outputs["ApiUrl"].startswith("https://")
