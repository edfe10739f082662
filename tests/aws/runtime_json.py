"""What Lambda's runtime client makes of a handler's answer: the JSON whose size Lambda limits."""

from typing import Any

import pytest

from backend.aws.answer import LIMIT_BYTES

__all__ = ["LIMIT_BYTES", "runtime_json_bytes"]


def runtime_json_bytes(answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *, python: str = "3.13") -> int:
    """The size in bytes of what the client of this Python would send."""
    marshaller = pytest.importorskip(
        "awslambdaric.lambda_runtime_marshaller", reason="AWS publishes Lambda's runtime client for Linux only"
    )
    monkeypatch.setenv("AWS_EXECUTION_ENV", f"AWS_Lambda_python{python}")
    return len(marshaller.to_json(answer).encode())
