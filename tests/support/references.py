"""Finds mistakes in the repository's prose: links, paths, modules, commands and variables that do not exist.

Prose is Markdown, docstrings, comments, messages with `code` in them, and configuration files as they are. Each name in
it is looked for among the files of the checkout, and in their source. A name that .gitignore lists counts as existing,
because such a file is made at run time.
"""

import ast
import io
import os
import re
import sys
import sysconfig
import tokenize
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from posixpath import dirname, join, normpath

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
LIBRARIES = Path(sysconfig.get_path("purelib"))
PACKAGES = ("backend", "benchmarks", "dev", "tests")
IGNORED = (CHECKOUT / ".gitignore").read_text(encoding="utf-8").splitlines()
MADE_AT_RUN_TIME = {line.strip("/") for line in IGNORED if not line.startswith("#")}
ELSEWHERE = {
    "Next.js",  # a framework
    "entry_points.txt",  # in the metadata of installed packages
    "event.json",  # the reader's own files
    "variables.json",
    "todo-api/dev",  # a secret's name
}
"""What looks like a path of this repository and is none."""

SUFFIX = r"(?:py|md|toml|ya?ml|json|in|txt|sql|mako|html|js|mjs|ts)"
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
CODE_LINE = re.compile(r"^[ \t]*(?:- )?(?:run: |entry: |\$ )?([^`\s][^`\n]*)$", re.MULTILINE)
INDENTED = re.compile(r"^ {4,}(?![-*])([^`\s][^`\n]*)$", re.MULTILINE)
ADDRESS = re.compile(r"\w+://[^\s`)>\"']+|%\(here\)s/")

HEADING = re.compile(r"^#{1,6} +(.*?)[ #]*$", re.MULTILINE)
LINK = re.compile(r"\]\(<?([^)\s>]+)|^\[[^\]]+\]: +(\S+)|\b(?:src|href)=\"([^\"]+)", re.MULTILINE)
PATH = re.compile(r"(?<!\]\()(?<![\w/.:@$~<>*…}%-])(?:\.{1,2}/)*[\w.*…][\w.<>*…-]*(?:/[\w.<>*…-]+)*/?(?::\d+\b)?")
MODULE = re.compile(rf"(?<![\w/.@-])(?:{'|'.join(PACKAGES)})(?!\.{SUFFIX}\b)(?:\.[A-Za-z_]\w*)+(?![\w/])")
RUN_MODULE = re.compile(r"python\S* -m (\w+(?:\.\w+)*)")
PROGRAM = re.compile(r"(?<![\w/])\.venv/bin/([\w.-]+)")
MAKE = re.compile(r"(?:`|&& )make\s([^`&#;|<>…]*)")
MAKE_ARGUMENT = re.compile(r"([A-Z_]+)=(?:\"[^\"]*\"|\S*)|(\S+)")
VARIABLE = re.compile(r"(?<=`)([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?=[=`])|^#?([A-Z][A-Z0-9_]+)(?==)", re.MULTILINE)

Problems = Iterator[tuple[int, str]]
"""Where in the prose something is named, and what is wrong with it."""


@cache
def files() -> frozenset[str]:
    """Every file and folder of the checkout, relative to it, but those that .gitignore names."""
    found = set()
    for folder, folders, names in os.walk(CHECKOUT):
        folders[:] = [name for name in folders if name not in MADE_AT_RUN_TIME | {".git"}]
        found |= {Path(folder, name).relative_to(CHECKOUT).as_posix() for name in [*folders, *names]}
    return frozenset(found)


def sources() -> list[str]:
    """The files with prose of ours. The specification was given."""
    suffixes = (".md", ".py", ".toml", ".yaml", ".yml", ".in", ".sql", ".mako", ".ts", ".mjs")
    names = ("Makefile", ".env.example", ".editorconfig", ".ci/run")
    return sorted(file for file in files() if file.endswith((*suffixes, *names)) and not file.startswith("specs/"))


@cache
def read(file: str) -> str:
    return (CHECKOUT / file).read_text(encoding="utf-8")


@cache
def prose(file: str, text: str) -> str:
    """The prose of this text, each line where it stands there. A line of code becomes `code`."""
    if file.endswith(".py"):
        text = _prose_of_python(text, with_messages=not file.startswith("tests/"))  # tests name what must not exist
    elif file.endswith((".ts", ".mjs")):
        text = re.sub(r"^(?! *(?://|/?\*)).*$", "", text, flags=re.MULTILINE)
    elif file.endswith(".md"):
        text = FENCE.sub(lambda block: CODE_LINE.sub(r"`\1`", block[0].replace("`", "")), text)
        text = INDENTED.sub(r"`\1`", text)
    elif file.startswith((".ci/", ".github/", ".pre-commit")):
        text = CODE_LINE.sub(r"`\1`", text)
    return ADDRESS.sub("", text)


def _prose_of_python(source: str, *, with_messages: bool) -> str:
    lines = [""] * (source.count("\n") + 2)
    starts_statement = True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        is_message = kind in ("STRING", "FSTRING_MIDDLE") and with_messages and "`" in token.string
        if kind == "COMMENT" or (kind == "STRING" and starts_statement) or is_message:
            for number, line in enumerate(token.string.splitlines(), token.start[0] - 1):
                lines[number] += line.lstrip("# ") + " "
        if kind not in ("COMMENT", "NL"):
            starts_statement = kind in ("NEWLINE", "INDENT", "DEDENT")
    return "\n".join(lines)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes for the headings of this Markdown."""
    found: dict[str, int] = {}
    for heading in HEADING.findall(text):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found[anchor] = found.get(anchor, -1) + 1
        if found[anchor]:
            found[f"{anchor}-{found[anchor]}"] = 0
    return set(found)


def _links(file: str, text: str) -> Problems:
    for match in LINK.finditer(text) if file.endswith(".md") else ():
        link = next(filter(None, match.groups()))
        path, _, anchor = link.partition("#")
        target = normpath(join(dirname(file), path)) if path else file
        if re.match(r"[a-z]+:", link):
            continue
        if path and target not in files():
            yield match.start(), f"links to {path}, which does not exist"
        elif anchor and anchor not in anchors(prose(target, read(target)) if path else text):
            yield match.start(), f"links to #{anchor}, which is no heading of {target}"


def _paths(file: str, text: str) -> Problems:
    """File names, what starts with a folder at the top, and what has a slash and stands in backticks."""
    for match in PATH.finditer(text):
        path, _, line = match[0].rstrip(".").partition(":")
        parts = path.strip("/").split("/")
        is_named = re.fullmatch(rf".*[\w*>…]\.{SUFFIX}", path) or (
            "/" in path and ((CHECKOUT / parts[0]).is_dir() or f"`{match[0]}`" in text)
        )
        if not is_named or path in ELSEWHERE or MADE_AT_RUN_TIME.intersection(parts):
            continue
        if not (found := _find(file, path)):
            yield match.start(), f"names {path}, which does not exist"
        elif line and int(line) > found.read_text(encoding="utf-8").count("\n"):
            yield match.start(), f"names line {line} of {path}, which is shorter"


def _find(file: str, path: str) -> Path | None:
    """What is meant: from the root, backend/, beside the file, a file name anywhere, or in an installed library."""
    pattern = re.sub(r"<[^>]*>|…|NNNN", "*", path)
    anywhere = [] if "/" in path else [f"*/{pattern}"]
    for candidate in [normpath(join(base, pattern)) for base in (".", "backend", dirname(file))] + anywhere:
        if candidate in files():
            return CHECKOUT / candidate
        if "*" in candidate and (found := next((name for name in files() if fnmatchcase(name, candidate)), None)):
            return CHECKOUT / found
    return LIBRARIES / path if (LIBRARIES / path).exists() else None


def _modules(_: str, text: str) -> Problems:
    """Our modules and what they define, by their syntax tree; modules and programs that are run."""
    for match in MODULE.finditer(text):
        if problem := _missing_name(match[0].split(".")):
            yield match.start(), f"names {match[0]}, but {problem}"
    for match in RUN_MODULE.finditer(text):
        if not _is_program(match[1]):
            yield match.start(), f"runs {match[1]}, which is no program"
    for match in PROGRAM.finditer(text):
        if not (PROGRAMS / match[1]).exists():
            yield match.start(), f"runs {match[1]}, which is not installed"


def _missing_name(parts: list[str]) -> str | None:
    for end in range(len(parts), 0, -1):
        path = "/".join(parts[:end])
        if module := next((file for file in (f"{path}.py", f"{path}/__init__.py") if file in files()), None):
            absent = [part for part in parts[end:] if part not in _definitions(module)]
            return f"{module} has no {absent[0]}" if absent else None
    return f"there is no {parts[0]}"


@cache
def _definitions(module: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(read(module))):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                names.add(name)
            case ast.alias(name=name, asname=other):
                names.add(other or name)
    return names


def _is_program(module: str) -> bool:
    path = module.replace(".", "/")
    if not module.startswith(PACKAGES):
        return find_spec(module.partition(".")[0]) is not None
    return f"{path}/__main__.py" in files() or (f"{path}.py" in files() and "__main__" in read(f"{path}.py"))


def _commands(_: str, text: str) -> Problems:
    """Targets and variables of `make`."""
    makefile = read("Makefile")
    targets = " ".join(re.findall(r"^([\w./-][\w./ -]*):(?!=)", makefile, re.MULTILINE)).split()
    for match in MAKE.finditer(text):
        for variable, target in MAKE_ARGUMENT.findall(match[1].partition(" ...")[0]):
            if variable and not re.search(rf"\$[($]{variable}\b", makefile):
                yield match.start(), f"gives `make` {variable}, which the Makefile does not use"
            if target and not target.startswith("-") and target not in targets:
                yield match.start(), f"names `make {target}`, which is no target"


def _variables(file: str, text: str) -> Problems:
    """Environment variables in documents: fields of the settings, or words of the code."""
    for match in VARIABLE.finditer(text) if file.endswith((".md", ".env.example")) else ():
        if (variable := match[1] or match[2]) not in _known_variables():
            yield match.start(), f"names the variable {variable}, which nothing reads"


@cache
def _known_variables() -> set[str]:
    code = [file for file in files() if file.startswith(("backend/", "benchmarks/", "dev/")) and file.endswith(".py")]
    fields = [read(file).upper() for file in code if file.startswith("backend/settings/")]
    return set(re.findall(r"\w+", "\n".join([*fields, *map(read, [*code, "Makefile", "template.yaml"])])))


CHECKS: dict[str, Callable[[str, str], Problems]] = {
    "links": _links,
    "paths": _paths,
    "modules": _modules,
    "commands": _commands,
    "variables": _variables,
}


def problems(kind: str, file: str, text: str) -> list[str]:
    """What this text names that does not exist, one line each: where it stands, what it is, and what is wrong."""
    text = prose(file, text)
    return [f"{file}:{text.count(chr(10), 0, at) + 1}: {problem}" for at, problem in CHECKS[kind](file, text)]
