"""What the function answers to each event in `events/`."""

from typing import Any

from dev.paths import CHECKOUT

STATUSES = {
    "info": 200,
    "health": 200,
    "sign-up": 201,
    "sign-in": 200,
    "refresh": 200,
    "sign-out": 200,
    "list-tasks": 200,
    "create-task": 201,
    "get-task": 200,
    "edit-task": 200,
    "toggle-task": 200,
    "delete-task": 204,
    "preflight": 200,
    "bad-json": 400,
    "invalid-task": 422,
    "no-token": 401,
    "expired-token": 401,
    "wrong-password": 401,
    "wrong-owner": 404,
    "warm-up": None,
    "scheduled": None,
}
BODIES: dict[str, dict[str, Any]] = {
    "info": {"name": "Todo API", "status": "ok"},
    "health": {"status": "ok"},
    "sign-out": {"detail": "Signed out"},
    "create-task": {"title": "Buy milk", "description": "Two litres", "completed": False},
    "get-task": {"title": "Buy milk", "completed": False},
    "edit-task": {"title": "Buy oat milk", "completed": True},
    "toggle-task": {"title": "Buy milk", "completed": True},
    "invalid-task": {"errors": [{"field": "title", "message": "must not be empty"}]},
    "wrong-password": {"detail": "The e-mail or the password is wrong."},
    "wrong-owner": {"detail": "Task not found."},
}
EVENT_FILES = sorted((CHECKOUT / "events").glob("*.json"))
