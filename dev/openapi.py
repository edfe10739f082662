"""`make openapi`: write the OpenAPI document to openapi.json, which a test compares with what is served."""

import json

from pydantic import SecretStr

from backend.app import create_app
from backend.settings import Settings
from dev.paths import CHECKOUT

PATH = CHECKOUT / "openapi.json"


def document() -> str:
    """The OpenAPI document as text. It changes only when the contract does, and does not depend on the environment."""
    settings = Settings.model_construct(
        database_url=SecretStr("postgresql://user@localhost/database"),
        better_auth_secret=SecretStr("not used: the application serves no request"),
        frontend_url=("http://localhost:3000",),
    )
    return json.dumps(create_app(settings).openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(document(), encoding="utf-8")
    print(f"written to {PATH.relative_to(CHECKOUT)}")
