"""How tests close an application."""

from fastapi import FastAPI


def close(app: FastAPI) -> None:
    """Close the connections that the application's parts keep."""
    for part in app.state.parts.values():
        if hasattr(part, "close"):
            part.close()
