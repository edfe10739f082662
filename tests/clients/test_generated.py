"""What is generated: it compiles strictly, refuses mistakes, and its zod schemas accept what the API does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.clients.toolchain import SOURCES, PythonClient, TypeScriptClients
from tests.support.contract import DOCUMENT, OPERATIONS
from tests.web.test_openapi import schema_of
from tests.web.test_openapi_examples import examples_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
INVALID: dict[str, list[Any]] = {
    "AuthResponse": [{}],
    "Refresh": [{}, {"refresh_token": None}, {"refresh_token": "\0"}],
    "SignIn": [{"email": "ada@example.com"}, {"email": "ada", "password": "correct horse"}],
    "SignUp": [
        {"email": "ada@example.com", "password": "correct horse", "name": None},
        {"email": "ada@example.com", "password": "correct horse", "name": "A\nda"},
        {"email": "ada@example.com", "password": "short"},
        {"email": f"{'a' * 243}@example.com", "password": "correct horse"},
    ],
    "TaskCreate": [
        {},
        {"title": ""},
        {"title": "x" * 201},
        {"title": "Buy\nmilk"},
        {"title": "x", "description": "\0"},
    ],
    "TaskPublic": [{"id": "1"}],
    "TaskUpdate": [{"title": None}, {"title": ""}, {"completed": "yes"}, {"description": "x" * 2001}],
}
"""Bodies that each schema refuses."""
VALID: dict[str, list[Any]] = {
    "TaskUpdate": [{"description": None}, {"description": ""}, {"title": "𝓑𝓾𝔂 🥛"}, {"title": "x" * 200}],
    "TaskCreate": [{"title": "می‌خواهم شیر بخرم", "description": "two\nlines\u2028three"}],
}
"""Bodies that each schema accepts, besides the document's examples."""


def examples() -> dict[str, list[Any]]:
    """The examples of each model's bodies."""
    found: dict[str, list[Any]] = {}
    for _, _, operation in OPERATIONS:
        for body in (operation.get("requestBody", {}), *operation["responses"].values()):
            if "content" in body and "items" not in body["content"]["application/json"]["schema"]:
                found.setdefault(schema_of(body), []).extend(examples_of(body["content"]["application/json"]))
    return found


@pytest.mark.spec("SC-009", "NFR-026")
def test_zod_accepts_valid_bodies_and_refuses_others(typescript: TypeScriptClients) -> None:
    """Of each schema there are two: hey-api's, and orval's."""
    valid = {name: [*examples()[name], *VALID.get(name, [])] for name in INVALID}

    accepted = typescript.run_script("zod", valid)
    refused = typescript.run_script("zod", INVALID)

    assert accepted == {name: [[True] * len(bodies)] * 2 for name, bodies in valid.items()}
    assert refused == {name: [[False] * len(bodies)] * 2 for name, bodies in INVALID.items()}


@pytest.mark.spec("SC-009", "NFR-026")
def test_the_compiler_refuses_every_mistake(typescript: TypeScriptClients) -> None:
    """`typescript` has compiled mistakes.ts, whose statements must be errors. Each of them is one when it may be."""
    mistakes = typescript.folder / "mistakes.ts"
    expected, expectation = mistakes.read_text(), "// @ts-expect-error"

    try:
        mistakes.write_text(expected.replace(expectation, "//"))
        with pytest.raises(AssertionError) as refused:
            typescript.check_types()
    finally:
        mistakes.write_text(expected)

    assert len(re.findall(r"^mistakes\.ts\S+ error", str(refused.value), re.MULTILINE)) == expected.count(expectation)
    assert expected.count(expectation) == 15


@pytest.mark.spec("SC-009", "NFR-026")
def test_the_types_of_an_edit_are_those_of_the_contract(typescript: TypeScriptClients) -> None:
    """Nothing wider, as generators make of `anyOf` with `required`, which also says that one member is needed."""
    (typescript.folder / "edit.ts").write_text(
        'import type { TaskUpdate as HeyApi } from "./generated/hey-api";\n'
        'import type { components } from "./generated/openapi.js";\n'
        'import type { TaskUpdate as Orval } from "./generated/orval/react-query.js";\n'
        'import type { TaskChanges } from "./session.js";\n'
        "type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;\n"
        "type Plain<T> = { [Member in keyof T]: T[Member] };\n"
        'export const openapiTypescript: Same<Plain<components["schemas"]["TaskUpdate"]>, TaskChanges> = true;\n'
        "export const heyApi: Same<Plain<HeyApi>, Plain<TaskChanges>> = true;\n"
        "export const orval: Same<Plain<Orval>, Plain<TaskChanges>> = true;\n"
    )

    typescript.check_types()


@pytest.mark.spec("SC-009", "NFR-026")
def test_the_client_in_python_passes_mypy_strict(python: PythonClient) -> None:
    python.check_types()


@pytest.mark.spec("SC-009", "NFR-026")
def test_mypy_refuses_mistakes_with_the_client_in_python(python: PythonClient, tmp_path: Path) -> None:
    script = tmp_path / "mistakes.py"
    script.write_text((SOURCES / "session.py").read_text() + "\n\nTaskUpdate(title=None)\nTaskCreate()\n")

    with pytest.raises(AssertionError) as refused:
        python.check_types(script)

    assert re.findall(r"mistakes\.py.*\[([a-z-]+)\]", str(refused.value)) == ["arg-type", "call-arg"]


@pytest.mark.spec("SC-009", "NFR-019")
@pytest.mark.parametrize("linter", ["spectral", "redocly"])
def test_linters_of_openapi_documents_find_nothing(toolchain: TypeScriptClients, linter: str) -> None:
    commands = {
        "spectral": ["lint", "openapi.json", "--ruleset", "spectral.yaml", "--fail-severity", "hint"],
        "redocly": ["lint", "openapi.json", "--config", "redocly.yaml", "--max-problems", "1000"],
    }

    toolchain.run(linter, *commands[linter])


@pytest.mark.spec("SC-009", "NFR-019")
@pytest.mark.parametrize(
    ("linter", "complaint"), [("spectral", "operation-operationId-unique"), ("redocly", "operation-operationId-unique")]
)
def test_linters_would_find_a_mistake(toolchain: TypeScriptClients, linter: str, complaint: str) -> None:
    wrong = json.loads(json.dumps(DOCUMENT))
    wrong["paths"]["/api/health"]["get"]["operationId"] = wrong["paths"]["/"]["get"]["operationId"]
    (toolchain.folder / "wrong.json").write_text(json.dumps(wrong))

    with pytest.raises(AssertionError, match=complaint):
        toolchain.run(linter, "lint", "wrong.json", *(["--ruleset", "spectral.yaml"] if linter == "spectral" else []))
