"""The examples of the OpenAPI document are true, and its texts are for the users of the API."""

import json
import re
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator
from starlette.testclient import TestClient

from backend.web.openapi import Documented
from tests.support.contract import DOCUMENT, OPERATIONS
from tests.support.people import Person

SCHEMAS = DOCUMENT["components"]["schemas"]
BODIES = [
    (f"{method} {path} {status}", body["content"]["application/json"])
    for method, path, operation in OPERATIONS
    for status, body in [("request", operation.get("requestBody", {})), *operation["responses"].items()]
    if "content" in body
]

each_body = pytest.mark.parametrize("media_type", [body for _, body in BODIES], ids=[name for name, _ in BODIES])


def examples_of(media_type: dict[str, Any]) -> list[Any]:
    """The values of a body's examples."""
    named = (example["value"] for example in media_type.get("examples", {}).values())
    return [media_type["example"]] if "example" in media_type else list(named)


@pytest.mark.spec("SC-009", "NFR-019")
@each_body
def test_a_body_has_examples_that_its_schema_accepts(media_type: dict[str, Any]) -> None:
    schema = {**media_type["schema"], "components": DOCUMENT["components"]}
    validator = Draft202012Validator(schema, validate_formats=True)

    examples = examples_of(media_type)

    assert examples
    assert [error.message for example in examples for error in validator.iter_errors(example)] == []


@pytest.mark.spec("SC-009", "NFR-019")
@pytest.mark.parametrize("model", Documented.__subclasses__(), ids=lambda model: model.__name__)
def test_the_code_accepts_the_examples_of_its_models(model: type[Documented]) -> None:
    for example in model.EXAMPLES.values():
        assert model.model_validate(example, extra="forbid").model_dump(mode="json", exclude_unset=True) == example


@pytest.mark.spec("SC-009", "FR-029")
def test_the_422_of_the_examples_is_the_one_that_the_api_gives(client: TestClient) -> None:
    documented = DOCUMENT["paths"]["/api/auth/signup"]["post"]["responses"]["422"]["content"]["application/json"]

    response = client.post("/api/auth/signup", json={"email": "ada", "password": "short"})

    assert response.status_code == 422
    assert response.json() == documented["example"]


@pytest.mark.spec("SC-009", "FR-020")
def test_the_second_example_of_an_edit_clears_the_description(ada: Person) -> None:
    request = DOCUMENT["paths"]["/api/tasks/{task_id}"]["put"]["requestBody"]["content"]["application/json"]
    task = ada.create_task("Water the plants", description="the tall one too")

    [_, example] = examples_of(request)
    edited = ada.put(f"/api/tasks/{task['id']}", json=example).json()

    assert (edited["title"], edited["description"]) == ("Water the flowers", None)


@pytest.mark.spec("SC-009", "NFR-019")
def test_times_and_e_mails_say_their_format() -> None:
    formats = {
        (member, schema.get("format"))
        for model in SCHEMAS.values()
        for member, schema in model["properties"].items()
        if member in ("email", "created_at", "updated_at")
    }

    assert formats == {("email", "email"), ("created_at", "date-time"), ("updated_at", "date-time")}


@pytest.mark.spec("SC-009", "NFR-019")
def test_its_texts_name_nothing_that_only_this_project_knows() -> None:
    assert re.findall(r"\b(?:N?FR|SC|US|EDGE)-\w+", json.dumps(DOCUMENT)) == []
    assert "Successful Response" not in json.dumps(DOCUMENT)


@pytest.mark.spec("SC-009", "NFR-019")
def test_its_texts_and_tags_are_complete() -> None:
    assert {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]} == {"auth", "tasks", "status"}
    assert [server["url"] for server in DOCUMENT["servers"]] == ["http://127.0.0.1:8000"]
    assert all(
        parameter["description"] for _, _, operation in OPERATIONS for parameter in operation.get("parameters", ())
    )


@pytest.mark.spec("SC-009")
def test_the_document_is_completed_once(client: TestClient) -> None:
    first, second = client.get("/openapi.json"), client.get("/openapi.json")

    assert first.content == second.content
