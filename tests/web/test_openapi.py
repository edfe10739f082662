"""The OpenAPI document is the contract: committed, complete, and true."""

import json
import re
from typing import Any

import pytest
from starlette.routing import Match, Route
from starlette.testclient import TestClient

from backend.app import create_app
from backend.auth.schemas import PASSWORD_MAX_LENGTH, PASSWORD_MIN_LENGTH
from dev.openapi import PATH, document
from tests.conftest import MakeSettings
from tests.support.contract import DOCUMENT, OPERATIONS, operation_of

SCHEMAS = DOCUMENT["components"]["schemas"]
ALWAYS_POSSIBLE = {"413", "500"}
STATUSES = {
    ("GET", "/"): {"200"},
    ("GET", "/api/health"): {"200", "503"},
    ("POST", "/api/auth/signup"): {"201", "400", "409", "422", "429", "503"},
    ("POST", "/api/auth/signin"): {"200", "400", "401", "422", "429", "503"},
    ("POST", "/api/auth/refresh"): {"200", "400", "401", "422", "429", "503"},
    ("POST", "/api/auth/signout"): {"200", "400", "401", "422", "503"},
    ("GET", "/api/tasks"): {"200", "401", "503"},
    ("POST", "/api/tasks"): {"201", "400", "401", "409", "422", "503"},
    ("GET", "/api/tasks/{task_id}"): {"200", "401", "404", "503"},
    ("PUT", "/api/tasks/{task_id}"): {"200", "400", "401", "404", "409", "412", "422", "503"},
    ("PATCH", "/api/tasks/{task_id}/toggle"): {"200", "401", "404", "412", "503"},
    ("DELETE", "/api/tasks/{task_id}"): {"204", "401", "404", "412", "503"},
}
"""The statuses of each operation, besides ALWAYS_POSSIBLE."""

OPERATION_IDS = [
    *("info", "health", "sign_up", "sign_in", "refresh", "sign_out"),
    *("list_tasks", "create_task", "get_task", "edit_task", "toggle_task", "delete_task"),
]

each_operation = pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=[f"{method} {path}" for method, path, _ in OPERATIONS]
)


@each_operation
def test_no_route_takes_the_requests_of_another(
    method: str, path: str, operation: dict[str, Any], make_settings: MakeSettings
) -> None:
    """A fixed path below one with a parameter would never be reached."""
    scope = {"type": "http", "method": method, "path": re.sub(r"\{\w+\}", "anything", path), "headers": []}
    routes = create_app(make_settings()).routes
    first = next(route for route in routes if route.matches(scope)[0] is Match.FULL)
    assert isinstance(first, Route)
    assert first.path == path, f"{operation['operationId']} is hidden: put its route above"


def schema_of(content: dict[str, Any]) -> str:
    """The name of a body's model."""
    schema = content["content"]["application/json"]["schema"]
    return str(schema.get("items", schema)["$ref"]).rpartition("/")[2]


@pytest.mark.spec("SC-009", "NFR-019")
def test_openapi_json_is_what_the_code_says() -> None:
    assert PATH.read_text() == document(), "the contract changed: if that is meant, run `make openapi`"


@pytest.mark.spec("SC-009", "NFR-019")
def test_the_document_is_served(client: TestClient) -> None:
    assert client.get("/openapi.json").json() == DOCUMENT


@pytest.mark.spec("SC-009")
@pytest.mark.parametrize(("path", "tool"), [("/docs", "swagger-ui"), ("/redoc", "redoc")])
def test_the_document_can_be_read_in_a_browser(client: TestClient, path: str, tool: str) -> None:
    response = client.get(path)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert tool in response.text
    assert "/openapi.json" in response.text


@pytest.mark.spec("SC-011")
def test_the_root_names_the_service_and_the_health_check_is_ok(client: TestClient) -> None:
    assert client.get("/").json() == {
        "name": DOCUMENT["info"]["title"],
        "version": DOCUMENT["info"]["version"],
        "status": "ok",
    }
    assert client.get("/api/health").json() == {"status": "ok"}


@pytest.mark.spec("SC-009", "NFR-019", "FR-001", "FR-006", "FR-011", "FR-012", "FR-015", "FR-017", "FR-018")
def test_it_has_every_operation_of_the_specification_and_no_other() -> None:
    assert {(method, path) for method, path, _ in OPERATIONS} == set(STATUSES)


@pytest.mark.spec("SC-009", "NFR-019")
@each_operation
def test_an_operation_says_what_it_is_for(method: str, path: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"] == ["auth" if "/auth/" in path else "tasks" if "/tasks" in path else "status"]


@pytest.mark.spec("SC-009", "NFR-019")
def test_operation_ids_are_the_method_names_of_generated_clients() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]

    assert sorted(names) == sorted(OPERATION_IDS)


@pytest.mark.spec("SC-009", "FR-037", "NFR-025")
@each_operation
def test_an_operation_asks_for_the_bearer_token_where_it_needs_one(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    is_sign_out = path.endswith("/signout")  # which a refresh token in its body is enough for
    is_protected = "/tasks" in path or is_sign_out

    assert operation["security"] == ([{"bearer": []}] if is_protected else []) + ([{}] if is_sign_out else [])
    assert ("401" in operation["responses"]) == (is_protected or path.endswith(("/signin", "/refresh")))


@pytest.mark.spec("SC-009", "FR-037")
def test_the_bearer_token_is_a_jwt() -> None:
    scheme = DOCUMENT["components"]["securitySchemes"]["bearer"]

    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")


@pytest.mark.spec("SC-009", "SC-004", "NFR-019", "FR-035")
@each_operation
def test_an_operation_documents_every_status_that_it_can_give(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    assert set(operation["responses"]) == STATUSES[method, path] | ALWAYS_POSSIBLE


@pytest.mark.spec("SC-009", "SC-019", "FR-035", "NFR-027")
@each_operation
def test_an_operation_documents_the_model_of_its_errors(method: str, path: str, operation: dict[str, Any]) -> None:
    errors = {status: response for status, response in operation["responses"].items() if status >= "400"}

    assert {status: schema_of(response) for status, response in errors.items()} == {
        status: "ValidationErrorBody" if status == "422" else "ErrorBody" for status in errors
    }
    assert all(response["description"].endswith(".") for response in errors.values())


@pytest.mark.spec("SC-009", "NFR-019")
@each_operation
def test_an_operation_documents_the_headers_of_its_answers(method: str, path: str, operation: dict[str, Any]) -> None:
    is_one_task = "/tasks" in path and method != "DELETE" and (method, path) != ("GET", "/api/tasks")
    special = {"401": {"WWW-Authenticate"}, "429": {"Retry-After"}, "503": {"Retry-After"}}
    special |= {"200": {"ETag"}, "201": {"ETag", "Location"}} if is_one_task else {}

    assert {status: set(response["headers"]) for status, response in operation["responses"].items()} == {
        status: {"X-Request-ID"} | special.get(status, set()) for status in operation["responses"]
    }
    assert set(DOCUMENT["components"]["headers"]) == {"X-Request-ID"}.union(*special.values(), {"ETag", "Location"})


@pytest.mark.spec("SC-009", "NFR-019")
def test_a_new_task_leads_to_what_can_be_done_with_it() -> None:
    links = DOCUMENT["paths"]["/api/tasks"]["post"]["responses"]["201"]["links"]
    with_task_id = {operation["operationId"] for _, path, operation in OPERATIONS if "{task_id}" in path}

    assert {link["operationId"] for link in links.values()} == with_task_id
    assert {link["parameters"]["task_id"] for link in links.values()} == {"$response.body#/id"}


@pytest.mark.spec("SC-009", "SC-019")
@pytest.mark.parametrize(
    ("method", "path", "request_model", "status", "response_model"),
    [
        ("GET", "/", None, "200", "Info"),
        ("GET", "/api/health", None, "200", "Health"),
        ("POST", "/api/auth/signup", "SignUp", "201", "AuthResponse"),
        ("POST", "/api/auth/signin", "SignIn", "200", "AuthResponse"),
        ("POST", "/api/auth/refresh", "Refresh", "200", "AuthResponse"),
        ("POST", "/api/auth/signout", "SignOut", "200", "SignedOut"),
        ("GET", "/api/tasks", None, "200", "TaskPublic"),
        ("POST", "/api/tasks", "TaskCreate", "201", "TaskPublic"),
        ("GET", "/api/tasks/1", None, "200", "TaskPublic"),
        ("PUT", "/api/tasks/1", "TaskUpdate", "200", "TaskPublic"),
        ("PATCH", "/api/tasks/1/toggle", None, "200", "TaskPublic"),
        ("DELETE", "/api/tasks/1", None, "204", None),
    ],
)
def test_an_operation_has_models_for_what_it_takes_and_gives(
    method: str, path: str, request_model: str | None, status: str, response_model: str | None
) -> None:
    operation = operation_of(method, path)

    assert operation is not None
    assert (schema_of(operation["requestBody"]) if "requestBody" in operation else None) == request_model
    success = operation["responses"][status]
    assert (schema_of(success) if "content" in success else None) == response_model
    is_optional = path.endswith("/signout")
    assert (request_model is None) or operation["requestBody"].get("required", False) == (not is_optional)


@pytest.mark.spec("SC-009", "FR-042", "FR-040", "FR-041", "NFR-026")
@pytest.mark.parametrize(
    ("model", "members"),
    [
        ("TaskPublic", ["id", "title", "description", "completed", "created_at", "updated_at", "user_id"]),
        ("UserPublic", ["id", "email", "name", "created_at"]),
    ],
)
def test_an_answer_always_has_all_its_members(model: str, members: list[str]) -> None:
    assert sorted(SCHEMAS[model]["properties"]) == sorted(members)
    assert sorted(SCHEMAS[model]["required"]) == sorted(members)


@pytest.mark.spec("SC-009", "SC-019", "FR-003", "FR-025", "FR-036")
def test_the_limits_of_requests_are_in_their_schemas() -> None:
    """Those of titles and names are compared with the code in test_text.py."""
    password = SCHEMAS["SignUp"]["properties"]["password"]
    description = SCHEMAS["TaskCreate"]["properties"]["description"]

    assert (PASSWORD_MIN_LENGTH, PASSWORD_MAX_LENGTH) == (8, 1024)
    assert (password["minLength"], password["maxLength"]) == (8, 1024)
    assert (description["maxLength"], description["type"]) == (2000, ["string", "null"])
    assert SCHEMAS["SignUp"]["required"] == ["email", "password"]
    assert SCHEMAS["SignIn"]["required"] == ["email", "password"]
    assert SCHEMAS["TaskCreate"]["required"] == ["title"]


@pytest.mark.spec("SC-009", "FR-020")
def test_an_update_needs_one_member_and_null_clears_the_description_only() -> None:
    update = SCHEMAS["TaskUpdate"]

    assert update["minProperties"] == 1
    assert "required" not in update
    assert update["properties"]["title"]["type"] == "string"
    assert update["properties"]["completed"]["type"] == "boolean"
    assert update["properties"]["description"]["type"] == ["string", "null"]
    assert "default" not in json.dumps(update)
