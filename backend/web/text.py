"""Rules for the text that users send. Pydantic checks them, and the OpenAPI document states them too.

PostgreSQL cannot store U+0000. Surrounding white space is removed before lengths are counted.

The schemas describe the text without white space around it. A pattern for the rest would be hundreds of characters
long, so a sentence says it. Their patterns mean the same in ECMAScript and in Python, and contain no `\\u`: a generator
of clients writes what it means, such as a line break, into the source of a regular expression.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

WHITE_SPACE = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What surrounding white space is: all that `str.strip` of Python or `trim` of ECMAScript removes."""

CONTROL = r"\x00-\x1f\x7f-\x9f"
"""Unicode's category Cc."""
INVISIBLE_CATEGORIES = {"Cc", "Cf", "Me", "Mn", "Zl", "Zp", "Zs"}
"""The categories whose characters show nothing by themselves: control, format, combining marks, white space."""
FILLERS = re.compile("[\u115f\u1160\u2065\u2800\u3164\uffa0\ufff0-\ufff8\U0001d159\U000e0000-\U000e0fff]")
"""Characters of other categories that show nothing: Hangul fillers, blank Braille, what Unicode reserves for format."""

CONTROL_CHARACTER = re.compile(f"[{CONTROL}]")
NAMES_OF_CONTROLS = {"\n": "line break", "\r": "line break", "\t": "tab"}

DOMAIN_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
EMAIL_PATTERN = rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{DOMAIN_LABEL}(?:\.{DOMAIN_LABEL})+"
"""The HTML standard's pattern, with a dot in the domain (FR-002). https://html.spec.whatwg.org/#valid-e-mail-address"""
EMAIL_MAX_LENGTH = 254


class _TextRule:
    """The base of all rules: how Pydantic checks a text, and how the JSON schema states the same."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        unicode = core_schema.str_schema(min_length=0)  # without any constraint Pydantic lets lone surrogates through
        return core_schema.no_info_after_validator_function(self.check, unicode)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", **self.json_schema()}

    def check(self, value: str) -> str:
        """The text to store.

        :raises ValueError: what is wrong with it, in words for a person
        """
        raise NotImplementedError

    def json_schema(self) -> dict[str, Any]:
        """The same rule for the OpenAPI document, as far as it can be said there in few words."""
        raise NotImplementedError


@dataclass(frozen=True)
class SingleLine(_TextRule):
    """Text for one line, such as a title: stripped, visible, at most `max_length` characters, no control characters."""

    max_length: int

    def check(self, value: str) -> str:
        """The line without the white space around it."""
        line = _not_longer(value.strip(WHITE_SPACE), self.max_length)
        if not line:
            raise ValueError("must not be empty")
        if control := CONTROL_CHARACTER.search(line):
            name = NAMES_OF_CONTROLS.get(control[0], f"character U+{ord(control[0]):04X}")
            raise ValueError(f"must be one line of text; please remove the {name}")
        if not any(map(_is_visible, line)):
            raise ValueError("must have a visible character; please write a word or a symbol")
        return line

    def json_schema(self) -> dict[str, Any]:
        """The lengths, and a pattern without control characters."""
        return {
            "minLength": 1,
            "maxLength": self.max_length,
            "pattern": rf"^[^{CONTROL}]*$",
            "description": f"One line of 1 to {self.max_length} characters, at least one of which can be seen. White "
            "space around it is removed and does not count.",
        }


@dataclass(frozen=True)
class FreeText(_TextRule):
    """Free text: stored as it is, up to `max_length` characters, no U+0000."""

    max_length: int

    def check(self, value: str) -> str:
        """The text as it came."""
        return _not_longer(_without_nul(value), self.max_length)

    def json_schema(self) -> dict[str, Any]:
        """A length and a pattern."""
        return {"maxLength": self.max_length, "pattern": r"^[^\x00]*$"}


class EmailRule(_TextRule):
    """An e-mail address, stripped and lower-cased."""

    _pattern = re.compile(EMAIL_PATTERN, re.ASCII)

    def check(self, value: str) -> str:
        """The address in the form that is stored and searched for."""
        email = _not_longer(value.strip(WHITE_SPACE), EMAIL_MAX_LENGTH)
        if not self._pattern.fullmatch(email):  # before it is lower-cased: some other alphabets' letters become a to z
            raise ValueError("must be an e-mail address, such as ada@example.com")
        return email.lower()

    def json_schema(self) -> dict[str, Any]:
        """The format and the length."""
        return {
            "format": "email",
            "maxLength": EMAIL_MAX_LENGTH,
            "description": f"At most {EMAIL_MAX_LENGTH} characters. Case does not matter. White space around it is "
            "removed and does not count.",
        }


Email = Annotated[str, EmailRule()]


def optional_field() -> Any:
    """A member that may be left out, which is not the same as null. Its schema has no default."""

    def no_default(schema: dict[str, Any]) -> None:
        schema.pop("default", None)

    return Field(default=None, json_schema_extra=no_default)


def _is_visible(character: str) -> bool:
    return unicodedata.category(character) not in INVISIBLE_CATEGORIES and not FILLERS.match(character)


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain the character U+0000")
    return value


def _not_longer(value: str, max_length: int) -> str:
    if len(value) > max_length:
        raise ValueError(f"must be at most {max_length} characters")
    return value
