"""The code keeps to its own rules: which part may know which, and that everything says its types."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
SOURCES = sorted((CHECKOUT / "backend").rglob("*.py"))
HTTP = ("fastapi", "starlette", "mangum")

FORBIDDEN: dict[str, tuple[str, ...]] = {
    # services hold the rules and never see a request
    "auth/service.py": HTTP,
    "auth/throttle.py": HTTP,
    "auth/passwords.py": HTTP,
    "auth/tokens.py": (*HTTP, "sqlalchemy", "sqlmodel"),
    "tasks/service.py": HTTP,
    "tasks/statements.py": HTTP,
    # routers translate HTTP and never see SQL
    "auth/router.py": ("sqlalchemy", "sqlmodel", "backend.database.session", "backend.auth.models"),
    "tasks/router.py": ("sqlalchemy", "sqlmodel", "backend.database.session"),
    # main → auth, tasks → database, errors, settings
    "database/": ("backend.auth", "backend.tasks", "backend.app", "backend.main", "backend.middleware"),
    "auth/": ("backend.tasks", "backend.app", "backend.main", "backend.middleware"),
    "tasks/": (
        *("backend.auth.service", "backend.auth.router", "backend.auth.tokens", "backend.auth.models"),
        *("backend.app", "backend.main", "backend.middleware"),
    ),
    "errors.py": ("backend.auth", "backend.tasks", "backend.database", "backend.app"),
    "settings.py": ("backend.auth", "backend.tasks", "backend.app"),
    # nothing that is deployed knows what is not
    "": ("dev", "tests", "pytest", "alembic", "boto3", "aws_xray_sdk"),
}
"""By file or folder: what it must not import when it is imported."""
EXCEPTIONS = {
    # never imported by the function (tests/aws_lambda/test_imports.py); they compare all tables with the models
    ("database/migrations/", "alembic"),
    ("database/migrations/env.py", "backend.auth"),
    ("database/migrations/env.py", "backend.tasks"),
    ("database/retry.py", "fastapi"),
}


def imports_of(path: Path) -> Iterator[str]:
    """The modules that a file imports at its top level; those inside functions are there for a reason."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{path} imports relatively"
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.spec("NFR-018")
@pytest.mark.parametrize("part", FORBIDDEN)
def test_data_goes_one_way(part: str) -> None:
    found = []
    files = {str(path.relative_to(CHECKOUT / "backend")): path for path in SOURCES}
    concerned = {name: path for name, path in files.items() if name.startswith(part)}
    assert concerned, f"there is no backend/{part}"
    for name, path in concerned.items():
        for module in imports_of(path):
            for forbidden in FORBIDDEN[part]:
                excused = any(name.startswith(place) and forbidden == what for place, what in EXCEPTIONS)
                if (module == forbidden or module.startswith(f"{forbidden}.")) and not excused:
                    found.append(f"backend/{name} imports {module}")
    assert found == []


@pytest.mark.spec("NFR-022")
def test_every_function_says_its_types() -> None:
    untyped = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = node.args
                named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
                named += [each for each in (arguments.vararg, arguments.kwarg) if each]
                missing = [each.arg for each in named if each.annotation is None and each.arg not in ("self", "cls")]
                if missing or node.returns is None:
                    untyped.append(f"{path.relative_to(CHECKOUT)}:{node.lineno} {node.name}")
    assert untyped == []
