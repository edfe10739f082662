"""Rules for the text that users send. Pydantic checks them, and the OpenAPI document states exactly the same rules.

PostgreSQL cannot store U+0000. Surrounding white space is removed before lengths are counted. So the schema of such
text is a pattern: `maxLength` would refuse a title that is too long only because of the white space around it.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

SPACE = r"[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
"""What `str.strip` removes, as a regular expression that means the same in ECMA-262 and in Python."""
NON_SPACE = SPACE.replace("[", r"[^\u0000", 1)
"""Every other character except U+0000."""

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
        """The same rule for the OpenAPI document."""
        raise NotImplementedError


@dataclass(frozen=True)
class SingleLine(_TextRule):
    """Text for one line, such as a title: stripped, not blank, at most `max_length` characters, no U+0000."""

    max_length: int

    def check(self, value: str) -> str:
        """The line without the white space around it."""
        line = _without_nul(value).strip()
        if not line:
            raise ValueError("must not be empty")
        return _not_longer(line, self.max_length)

    def json_schema(self) -> dict[str, Any]:
        """A pattern, because the white space around the line does not count."""
        pattern = rf"^{SPACE}*{NON_SPACE}(?:[^\u0000]{{0,{self.max_length - 2}}}{NON_SPACE})?{SPACE}*$"
        description = f"1 to {self.max_length} characters, after surrounding white space is taken off."
        return {"minLength": 1, "pattern": pattern, "description": description}


@dataclass(frozen=True)
class FreeText(_TextRule):
    """Free text: stored as it is, up to `max_length` characters, no U+0000."""

    max_length: int

    def check(self, value: str) -> str:
        """The text as it came."""
        return _not_longer(_without_nul(value), self.max_length)

    def json_schema(self) -> dict[str, Any]:
        """A length and a pattern."""
        return {"maxLength": self.max_length, "pattern": r"^[^\u0000]*$"}


class EmailRule(_TextRule):
    """An e-mail address, stripped and lower-cased."""

    _pattern = re.compile(EMAIL_PATTERN, re.ASCII)

    def check(self, value: str) -> str:
        """The address in the form that is stored and searched for."""
        email = _not_longer(value.strip(), EMAIL_MAX_LENGTH)
        if not self._pattern.fullmatch(email):  # before it is lower-cased: some other alphabets' letters become a to z
            raise ValueError("must be an e-mail address, such as ada@example.com")
        return email.lower()

    def json_schema(self) -> dict[str, Any]:
        """A pattern, because the white space around the address does not count."""
        return {
            "pattern": rf"^{SPACE}*(?=[!-~]{{1,{EMAIL_MAX_LENGTH}}}{SPACE}*$){EMAIL_PATTERN}{SPACE}*$",
            "description": f"An e-mail address of at most {EMAIL_MAX_LENGTH} characters; case does not matter.",
        }


Email = Annotated[str, EmailRule()]


def optional_field() -> Any:
    """A member that may be left out, which is not the same as null. Its schema has no default."""

    def no_default(schema: dict[str, Any]) -> None:
        schema.pop("default", None)

    return Field(default=None, json_schema_extra=no_default)


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain the character U+0000")
    return value


def _not_longer(value: str, max_length: int) -> str:
    if len(value) > max_length:
        raise ValueError(f"must be at most {max_length} characters")
    return value
