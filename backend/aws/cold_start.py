"""Making a new Lambda instance ready sooner. The figures are instructions of the whole import, by callgrind."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel


@contextmanager
def cheap_imports() -> Iterator[None]:
    """Surround the imports of the application, and what is made only once.

    FastAPI's own models describe OpenAPI documents, which few instances are ever asked for: Pydantic is to build their
    validators when they are first used (-7 %). Nothing imported becomes garbage, so the collector looks for none
    meanwhile (-4 %), and leaves all of it alone afterwards.
    """
    gc.disable()
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
