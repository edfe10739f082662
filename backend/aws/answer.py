"""The size of an answer, which Lambda limits.

Lambda's runtime client writes the handler's answer as JSON, in which the body is a text that is escaped once more. If
that JSON is too large, Lambda discards it, and API Gateway answers with an error of its own, without CORS headers.
"""

import json
from typing import Any

from backend.errors import AnswerTooLarge
from backend.telemetry import count, logger

LIMIT_BYTES = 6_291_556
"""Six megabytes and a hundred bytes, as Lambda's own error message says.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
MOST_BYTES_OF_A_CHARACTER = 6
"""A control character becomes six bytes (`\\u0001`), an emoji four."""
MOST_BYTES_OF_HEADERS = 64 * 1024
ABOUT_THE_BODY = ("content-length", "content-encoding", "content-type", "etag")


def deliverable(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer. If it is too large for Lambda, a 500 in its place, with the headers that do not describe its body."""
    # Only for long answers the exact size is counted, because that takes as long as the runtime client itself.
    bytes_of_a_character = 1 if answer["isBase64Encoded"] else MOST_BYTES_OF_A_CHARACTER
    if len(answer["body"]) * bytes_of_a_character + MOST_BYTES_OF_HEADERS <= LIMIT_BYTES:
        return answer
    size = encoded_bytes(answer)
    if size <= LIMIT_BYTES:
        return answer
    logger.error("Answer too large for Lambda", bytes=size, limit=LIMIT_BYTES)
    count("AnswerTooLarge")
    return _with_error(answer)


def encoded_bytes(answer: dict[str, Any]) -> int:
    """The answer's size in bytes, as Lambda's runtime client for Python 3.12 and later writes it."""
    return len(json.dumps(answer, ensure_ascii=False).encode())


def _with_error(answer: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in answer["headers"].items() if name not in ABOUT_THE_BODY}
    body = json.dumps({"detail": AnswerTooLarge.message})
    return {
        **answer,
        "statusCode": AnswerTooLarge.status,
        "headers": kept | {"content-type": "application/json", "content-length": str(len(body))},
        "body": body,
        "isBase64Encoded": False,
    }
