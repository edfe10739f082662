"""A hundred people at once, each with a whole session: counted, not timed."""

from collections import Counter

import pytest

from backend.app import create_app
from tests.auth.crowd import at_once
from tests.conftest import MakeSettings
from tests.load.clients import Clients
from tests.load.deployments import Deployment
from tests.load.mixed_session import Notebook, mixed_session
from tests.support.serving import serving

PEOPLE = 100
A_FEW = 10
TASKS = "select id::text, user_id::text, title, description, completed, version from tasks"
SIGN_INS = "select count(*), count(revoked_at) from refresh_tokens"
HITS = "select cardinality(hits) from rate_limits"


def rows(notebook: Notebook) -> list[list[object]]:
    """The person's tasks as the table must have them."""
    members = ("id", "user_id", "title", "description", "completed")
    return [[*(task[name] for name in members), notebook.versions[task["id"]]] for task in notebook.tasks.values()]


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.spec("SC-003", "SC-006", "NFR-012", "NFR-013", "SC-010", "SC-020")
def test_a_hundred_simultaneous_sessions_are_answered_correctly(deployment: Deployment, clients: Clients) -> None:
    notebooks = at_once(lambda _: mixed_session(clients.new()), PEOPLE)

    deployment.wait_for_rest()
    people, tasks, sign_ins, hits = deployment.database.query("select count(*) from users", TASKS, SIGN_INS, HITS)
    assert people == [[PEOPLE]]
    assert sorted(tasks) == sorted(row for notebook in notebooks for row in rows(notebook))
    assert sign_ins == [[2 * PEOPLE, 2 * PEOPLE]]  # all are revoked
    assert Counter(count for [count] in hits) == {PEOPLE: 1, 1: PEOPLE}  # sign-ups of the address; a refresh of each
    assert deployment.answered() == clients.answered
    assert {line["level"] for line in deployment.log_lines()} == {"INFO"}


@pytest.mark.spec("SC-003", "SC-006", "SC-010")
def test_a_few_simultaneous_sessions_are_answered_correctly(make_settings: MakeSettings) -> None:
    with serving(create_app(make_settings())) as url, Clients(url) as clients:
        at_once(lambda _: mixed_session(clients.new()), A_FEW)
