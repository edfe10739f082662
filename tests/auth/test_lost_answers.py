"""A refresh whose answer is lost on its way from PostgreSQL: the client repeats it, and stays signed in."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from backend.app import create_app
from backend.postgres import connection, deadline
from backend.settings import Settings
from tests.conftest import MakeClient, MakeSettings
from tests.support.database_copy import DatabaseCopy
from tests.support.faulty_proxy import FaultyProxy
from tests.support.people import Person

ROTATION = b"update refresh_tokens"


@pytest.mark.spec("EDGE-refresh-token-reuse", "EDGE-database-connection-failure", "FR-011", "NFR-014")
@pytest.mark.parametrize("loss", ["swallowed", "cut"])
def test_a_lost_answer_to_a_refresh_signs_no_device_out(
    make_client: MakeClient,
    shared_database: DatabaseCopy,
    monkeypatch: pytest.MonkeyPatch,
    logged: Callable[[], list[dict[str, Any]]],
    loss: str,
) -> None:
    url = make_url(shared_database.url)
    assert url.port
    proxy = FaultyProxy(url.port)
    through_proxy = url.set(port=proxy.port).render_as_string(hide_password=False)
    person = Person.sign_up(make_client(database_url=through_proxy, database_pool_size=0))
    monkeypatch.setattr(connection, "READ_TIMEOUT_SECONDS", 0.5)
    presented = person.auth["refresh_token"]
    proxy.cut_at, proxy.drop_answer, proxy.stays_open = ROTATION, True, loss == "swallowed"

    lost = person.refresh()
    proxy.cut_at = None
    first = person.refresh()
    person.auth["refresh_token"] = presented
    second = person.refresh()
    listed = person.get("/api/tasks")
    proxy.close()

    assert lost.status_code == 503
    assert "Retry-After" not in lost.headers  # it may have been stored, and it was
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["refresh_token"] == second.json()["refresh_token"]
    assert listed.status_code == 200
    assert not any("reused" in line["message"] for line in logged())


@pytest.mark.spec("EDGE-refresh-token-reuse", "SC-014")
def test_the_leeway_is_longer_than_a_refresh_can_take() -> None:
    assert Settings.model_fields["refresh_reuse_leeway_seconds"].default > deadline.REQUEST_BUDGET_SECONDS


@pytest.mark.spec("EDGE-refresh-token-reuse", "SC-014")
@pytest.mark.parametrize(("seconds", "is_warned"), [(0, False), (1, True), (19, True), (20, False), (30, False)])
def test_a_leeway_shorter_than_a_refresh_is_warned_about_at_start(
    make_settings: MakeSettings, logged: Callable[[], list[dict[str, Any]]], seconds: int, is_warned: bool
) -> None:
    create_app(make_settings(refresh_reuse_leeway_seconds=seconds))

    warnings = [line["message"] for line in logged() if line["level"] == "WARNING"]
    assert len(warnings) == is_warned
    assert all(f"REFRESH_REUSE_LEEWAY_SECONDS={seconds}" in warning for warning in warnings)
