"""The schemas of the OpenAPI document accept the texts that the code accepts, without the white space around them.

They accept a little more: test_visible_text.py.
"""

import re
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from backend.auth.schemas import SignUp
from backend.tasks.schemas import TaskCreate, TaskUpdate
from backend.web.text import FILLERS, INVISIBLE_CATEGORIES, WHITE_SPACE

any_text = st.text(max_size=30)
spaces = st.text(st.characters(whitelist_categories=["Zs", "Zl", "Zp", "Cc"]), max_size=5)
"""White space, and characters that only look like it."""
around_the_limit = st.builds(
    lambda before, inside, count, after: before + (inside * count)[:count] + after,
    spaces,
    st.text(min_size=1, max_size=3),
    st.sampled_from([1, 99, 100, 101, 199, 200, 201, 1999, 2000, 2001]),
    spaces,
)


def schema_accepts(model: type[BaseModel], member: str, text: str) -> bool:
    schema = model.model_json_schema()["properties"][member]
    schema = next((option for option in schema.get("anyOf", ()) if option["type"] == "string"), schema)
    return (
        schema["type"] == "string"
        and schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
        and re.search(schema["pattern"], text) is not None
    )


def code_accepts(model: type[BaseModel], member: str, text: str) -> bool:
    valid = {"title": "Buy milk", "email": "ada@example.com", "password": "long enough"}
    try:
        model.model_validate(valid | {member: text})
    except ValidationError:
        return False
    return True


def may_differ(text: str) -> bool:
    """Whether the schema may accept a line that the code refuses: no character of it is seen by itself."""
    return all(unicodedata.category(each) in INVISIBLE_CATEGORIES or FILLERS.match(each) for each in text)


def same_rule(model: type[BaseModel], member: str, texts: st.SearchStrategy[str]) -> Callable[[], None]:
    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(texts)
    @example("")
    @example("\0")
    @example("a\0b")
    @example("\u200b")
    @example("a\u200b")
    @example("\ufeffBuy milk\ufeff")
    @example("Buy\nmilk")
    @example("Buy\x9fmilk")
    @example("\u3164")
    @example("\u0301")
    @example("\n")
    @example("Buy milk\n")
    def check(text: str) -> None:
        bare = text if member == "description" else text.strip(WHITE_SPACE)

        by_schema, by_code = schema_accepts(model, member, bare), code_accepts(model, member, text)

        assert by_schema == by_code or (by_schema and may_differ(bare))

    return check


@pytest.mark.spec("FR-036", "SC-005", "SC-019", "NFR-019")
@pytest.mark.parametrize(
    ("model", "member", "texts"),
    [
        (TaskCreate, "title", any_text | around_the_limit),
        (TaskUpdate, "title", any_text | around_the_limit),
        (TaskCreate, "description", any_text | around_the_limit),
        (TaskUpdate, "description", any_text | around_the_limit),
        (SignUp, "name", any_text | around_the_limit),
    ],
)
def test_the_schema_and_the_code_accept_the_same_texts(
    model: type[BaseModel], member: str, texts: st.SearchStrategy[str]
) -> None:
    same_rule(model, member, texts)()


@pytest.mark.spec("FR-002")
@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.from_regex(
        re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([a-z0-9]{1,9}\.){1,3}[a-z]{2,9}", re.ASCII), fullmatch=True
    )
)
def test_ordinary_e_mails_are_accepted_as_they_are(email: str) -> None:
    assert SignUp(email=email, password="long enough").email == email


@pytest.mark.spec("FR-024")
def test_white_space_is_what_python_and_ecmascript_strip() -> None:
    assert set(WHITE_SPACE) == {chr(code) for code in range(0x110000) if not chr(code).strip()} | {"\ufeff"}
