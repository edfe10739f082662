"""`python -m dev.openapi`: write the contract to openapi.json, which the tests compare with what the API serves."""

import json
from pathlib import Path

from pydantic import SecretStr

from backend.app import create_app
from backend.settings import Settings

PATH = Path(__file__).resolve().parents[1] / "openapi.json"


def document() -> str:
    """The OpenAPI document, as text that changes only when the contract does; whatever the environment says."""
    settings = Settings.model_construct(
        database_url=SecretStr("postgresql://nobody@localhost/nothing"),
        better_auth_secret=SecretStr("signs nothing, for nobody ever connects"),
        frontend_url=("http://localhost:3000",),
    )
    return json.dumps(create_app(settings).openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(document(), encoding="utf-8")
