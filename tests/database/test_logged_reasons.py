"""docs/logs.md explains every reason that the line `Database unavailable` can give, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from backend.postgres.sqlstates import MISCONFIGURED, OPERATOR_AT_LOGIN, OVERLOADED, PASSING_AT_LOGIN

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [*(ROOT / "backend" / "postgres").glob("*.py"), ROOT / "backend/database/failures.py"]
SOURCES += [ROOT / "backend/web/routing.py"]
SAYING = {"ConnectFailed", "ServerNotTrusted", "ConnectionLost", "Late", "TimeoutError", "unavailable"}
"""What is called with the reason as its first argument. `OutOfTime` repeats a `TimeoutError`."""
PREFIX_OF_REFUSALS = "login refused: "
"""`LoginRefused.__str__` puts it in front of an SQLSTATE."""
SAID_BY_THE_SYSTEM = "Connection refused"
"""The page's example of what stands behind `no connection:`."""
SQLSTATE = r"[0-9][0-9A-Z]{1,4}"
"""A whole one, or the beginning of several."""
NAMED_INSIDE = ("the name server does not answer",)
"""A TimeoutError that is only ever seen behind `no connection: `."""


def beginnings_in_code() -> Iterator[tuple[str, bool]]:
    """The constant beginning of each reason, and whether something follows that is only known at run time."""
    yield PREFIX_OF_REFUSALS, True
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
                continue
            text = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
            if node.func.id in SAYING and isinstance(text, ast.Constant) and text.value not in NAMED_INSIDE:
                yield str(text.value), isinstance(node.args[0], ast.JoinedStr)


def rows() -> list[tuple[list[str], str]]:
    """The page's table: the beginnings of a row's reasons, and their level."""
    page = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (.+?) \| (WARNING|ERROR|both) \|", page, flags=re.MULTILINE)
    return [([each.removesuffix("…") for each in re.findall(r"`([^`]+)`", named)], level) for named, level in table]


def sqlstates(level: str, *, prefix: str) -> set[str]:
    """The SQLSTATEs, or their beginnings, that the table has with this level behind `prefix`."""
    documented = [name for names, its_level in rows() if its_level == level for name in names]
    found = (re.fullmatch(f"{prefix}({SQLSTATE})", name) for name in documented)
    return {match[1] for match in found if match}


def test_every_reason_is_explained() -> None:
    documented = tuple(name for names, _ in rows() for name in names)

    assert [text for text, _ in beginnings_in_code() if not text.startswith(documented)] == []


def test_no_reason_is_explained_that_the_code_never_gives() -> None:
    given = list(beginnings_in_code())
    documented = {name for names, _ in rows() for name in names} - {SAID_BY_THE_SYSTEM}

    unknown = [
        name
        for name in documented
        if not re.fullmatch(SQLSTATE, name)
        and not any(text.startswith(name) or (goes_on and name.startswith(text)) for text, goes_on in given)
    ]
    assert unknown == []


def test_each_sqlstate_has_the_level_that_the_code_gives_it() -> None:
    assert sqlstates("WARNING", prefix="") == set(OVERLOADED)
    assert sqlstates("ERROR", prefix="") == set(MISCONFIGURED)
    assert sqlstates("WARNING", prefix=PREFIX_OF_REFUSALS) == set(PASSING_AT_LOGIN) - {"XX000"}
    assert sqlstates("ERROR", prefix=PREFIX_OF_REFUSALS) == set(OPERATOR_AT_LOGIN)
