"""What tests do with an application besides calling it."""

from fastapi import FastAPI


def close(app: FastAPI) -> None:
    """Close the connections that the application's parts keep."""
    for part in app.state.parts.values():
        if hasattr(part, "close"):
            part.close()
