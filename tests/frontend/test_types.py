"""openapi.json, as a frontend's compiler understands it."""

import re
import shutil
from pathlib import Path

import pytest

from tests.frontend.toolchain import MODULES
from tests.support.npm import run

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.mark.spec("NFR-026", "NFR-023", "SC-009")
def test_the_generated_types_accept_right_clients_and_refuse_wrong_ones(frontend: Path) -> None:
    """The fixture `frontend` has compiled client.ts, and type_mistakes.ts, whose every statement must be an error."""
    assert "export interface components" in (frontend / "openapi.d.ts").read_text()
    assert (frontend / "client.js").exists()
    assert (frontend / "type_mistakes.ts").read_text().count("@ts-expect-error") > 10


MISTAKES = {
    "client.edit(task.id, { title: null });": "TS2322",
    "task.owner;": "TS2339",
    "// @ts-expect-error nothing is wrong here\ntask.title;": "TS2578",
}


@pytest.mark.spec("NFR-026")
def test_the_compiler_reports_every_mistake(frontend: Path, tmp_path: Path) -> None:
    for name in ("client.ts", "openapi.d.ts", "tsconfig.json", "package.json"):
        shutil.copy(frontend / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(MODULES)
    (tmp_path / "mistakes.ts").write_text(
        'import type { Task, TodoClient } from "./client.js";\n'
        "export function mistakes(client: TodoClient, task: Task): void {\n" + "\n".join(MISTAKES) + "\n}\n"
    )

    with pytest.raises(AssertionError) as refused:
        run(tmp_path, "node_modules/.bin/tsc", "--project", ".", "--noEmit")

    assert re.findall(r"mistakes\.ts.* error (TS\d+)", str(refused.value)) == list(MISTAKES.values())
