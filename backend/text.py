"""What text people may send: rules that are checked here and that the OpenAPI document states just as they are.

U+0000 cannot be stored by PostgreSQL. Surrounding white space is taken off before lengths are counted, so the schema of
such text is a pattern: `maxLength` would refuse a title that is only too long for the space around it.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

SPACE = r"[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
"""What `str.strip` takes off, as a regular expression that means the same in ECMA-262 and in Python."""
INK = SPACE.replace("[", r"[^\u0000", 1)

LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
EMAIL = rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{LABEL}(?:\.{LABEL})+"
"""The HTML standard's e-mail pattern, with a dot in the domain (FR-002). https://html.spec.whatwg.org/#email-state-(type=email)"""
EMAIL_MAX_LENGTH = 254
_email = re.compile(EMAIL, re.ASCII)


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain the character U+0000")
    return value


def _line(max_length: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        stripped = _without_nul(value).strip()
        if not stripped:
            raise ValueError("must not be empty")
        if len(stripped) > max_length:
            raise ValueError(f"must be at most {max_length} characters")
        return stripped

    return check


def line(max_length: int, description: str) -> Any:
    """The type of a line of text: stripped, not blank, 1 to `max_length` characters, no U+0000."""
    pattern = rf"^{SPACE}*{INK}(?:[^\u0000]{{0,{max_length - 2}}}{INK})?{SPACE}*$"
    schema = {"type": "string", "minLength": 1, "pattern": pattern, "description": description}
    return Annotated[str, AfterValidator(_line(max_length)), WithJsonSchema(schema)]


def prose(max_length: int, description: str) -> Any:
    """The type of free text: kept as it is, up to `max_length` characters, no U+0000."""

    def check(value: str) -> str:
        if len(value) > max_length:
            raise ValueError(f"must be at most {max_length} characters")
        return _without_nul(value)

    schema = {"type": "string", "maxLength": max_length, "pattern": r"^[^\u0000]*$", "description": description}
    return Annotated[str, AfterValidator(check), WithJsonSchema(schema)]


def _check_email(value: str) -> str:
    email = value.strip().lower()
    if len(email) > EMAIL_MAX_LENGTH:
        raise ValueError(f"must be at most {EMAIL_MAX_LENGTH} characters")
    if not _email.fullmatch(email):
        raise ValueError("must be an e-mail address, such as ada@example.com")
    return email


Email = Annotated[
    str,
    AfterValidator(_check_email),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^{SPACE}*(?=[!-~]{{1,{EMAIL_MAX_LENGTH}}}{SPACE}*$){EMAIL}{SPACE}*$",
            "description": f"An e-mail address of at most {EMAIL_MAX_LENGTH} characters, stripped and lower-cased.",
        }
    ),
]
