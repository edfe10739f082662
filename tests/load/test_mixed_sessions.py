"""A hundred users at once, each with a whole session. Answers and rows are counted; no times are measured."""

import pytest

from backend.app import create_app
from tests.conftest import MakeSettings
from tests.load.clients import Clients
from tests.load.deployments import Deployment
from tests.load.mixed_session import TaskListModel, mixed_session
from tests.support.concurrency import at_once
from tests.support.serving import serving

PEOPLE = 100
A_FEW = 10
TASKS = "select id::text, user_id::text, title, description, completed, version from tasks"
SIGN_INS = "select count(*), count(revoked_at) from refresh_tokens"
HITS = "select cardinality(hits) from rate_limits where hits <> '{}'"  # without those of known networks


def rows(model: TaskListModel) -> list[list[object]]:
    """The rows that the table must have for this user."""
    members = ("id", "user_id", "title", "description", "completed")
    return [[*(task[name] for name in members), model.versions[task["id"]]] for task in model.tasks.values()]


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.spec("SC-003", "SC-006", "NFR-012", "NFR-013", "SC-010", "SC-020")
def test_a_hundred_simultaneous_sessions_are_answered_correctly(deployment: Deployment, clients: Clients) -> None:
    models = at_once(lambda _: mixed_session(clients.new()), PEOPLE)

    deployment.wait_until_idle()
    people, tasks, sign_ins, hits = deployment.database.query("select count(*) from users", TASKS, SIGN_INS, HITS)
    assert people == [[PEOPLE]]
    assert sorted(tasks) == sorted(row for model in models for row in rows(model))
    assert sign_ins == [[2 * PEOPLE, 2 * PEOPLE]]  # all sign-ins are revoked
    assert hits == [[PEOPLE]]  # one row with all sign-ups of the address
    [rotations] = deployment.database.query("select sum(cardinality(rotations)) from refresh_tokens")
    assert rotations == [[PEOPLE]]  # each user has refreshed once
    assert deployment.status_counts() == clients.status_counts
    assert {line["level"] for line in deployment.log_lines()} == {"INFO"}


@pytest.mark.spec("SC-003", "SC-006", "SC-010")
def test_a_few_simultaneous_sessions_are_answered_correctly(make_settings: MakeSettings) -> None:
    with serving(create_app(make_settings())) as url, Clients(url) as clients:
        at_once(lambda _: mixed_session(clients.new()), A_FEW)
