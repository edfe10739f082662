"""What a deployment asks where it is answered, and refuses where it is not."""

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dev.deploy import questions
from dev.deploy.questions import Questions
from dev.deploy.target import Target
from dev.user_error import UserError

TARGET = Target("prod", "todo-api-prod", {"FrontendUrl": "https://todo.test", "SecretName": "todo-api/prod"})
OWNER_URL = "postgresql://neondb_owner:password@ep-one.example.neon.tech/neondb"
UNANSWERED = Questions(are_answered=False, is_confirmed=False)


class Terminal(io.StringIO):
    """Standard input where a person types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment with the owner's connection string, and without a profile of this machine."""
    monkeypatch.setenv("DATABASE_DIRECT_URL", OWNER_URL)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("CI", raising=False)


@pytest.mark.parametrize(("ci", "is_answered"), [("", True), ("false", True), ("true", False), ("1", False)])
def test_a_pipeline_is_not_asked_even_where_it_has_a_terminal(
    monkeypatch: pytest.MonkeyPatch, ci: str, is_answered: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setenv("CI", ci)

    assert Questions.here(is_confirmed=False).are_answered is is_answered


def test_without_a_terminal_there_is_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))

    assert not Questions.here(is_confirmed=False).are_answered


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (replace(TARGET, confirms=True), r"\[prod\].*confirm_changeset.*make deploy CONFIRMED=yes"),
        (replace(TARGET, guided=True), r"\[prod\].*guided.*remove that line"),
    ],
    ids=["confirm_changeset", "guided"],
)
def test_what_sam_would_ask_is_refused(target: Target, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        UNANSWERED.refuse_unanswered(target)


def test_a_profile_that_asks_for_a_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile ops]\nmfa_serial = arn:aws:iam::123456789012:mfa/ada\n")

    with pytest.raises(UserError, match=r"one-time code \(mfa_serial\)"):
        UNANSWERED.refuse_unanswered(replace(TARGET, profile="ops"))


def test_a_missing_connection_string_is_refused_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_DIRECT_URL")

    with pytest.raises(UserError, match="Set DATABASE_DIRECT_URL"):
        UNANSWERED.refuse_unanswered(TARGET)


def test_a_change_that_was_agreed_to_is_not_refused() -> None:
    agreed = Questions(are_answered=False, is_confirmed=True)

    agreed.refuse_unanswered(replace(TARGET, confirms=True))

    assert agreed.owner_url() == OWNER_URL


def test_a_person_is_asked_for_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_DIRECT_URL")
    monkeypatch.setattr(questions, "getpass", lambda _: OWNER_URL)
    answered = Questions(are_answered=True, is_confirmed=False)

    answered.refuse_unanswered(replace(TARGET, confirms=True, guided=True))

    assert answered.owner_url() == OWNER_URL
