"""Shortens the cold start of a Lambda instance. The figures are shares of the import's instructions, by callgrind."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cheap_imports() -> Iterator[None]:
    """A context in which imports, and objects that are made once per process, cost less.

    FastAPI's own models describe OpenAPI documents, which few instances ever serve. So Pydantic builds the validators
    of these models when they are first used (-7 %). Imported objects never become garbage. So the garbage collector is
    off during the imports (-4 %), and later ignores the imported objects (`gc.freeze`).
    """
    gc.disable()
    from pydantic import BaseModel  # here, and not above, where the garbage collector is still on

    BaseModel.model_config["defer_build"] = True
    try:
        import fastapi  # noqa: F401
    finally:
        del BaseModel.model_config["defer_build"]
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
