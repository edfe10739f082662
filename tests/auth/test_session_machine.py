"""Sign-ins as a state machine: random uses of tokens at random times, compared with a model."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from starlette.testclient import TestClient

from tests.conftest import NO_LIMITS
from tests.support.clock import Clock
from tests.support.people import PASSWORD, Person

EXAMPLES = 50
STEPS_OF_AN_EXAMPLE = 50
MIN_STEPS = 2000

LEEWAY_SECONDS = 30
ACCESS_SECONDS = 15 * 60
REFRESH_SECONDS = 7 * 24 * 3600
PAUSES = [0.5, 1, LEEWAY_SECONDS - 1, LEEWAY_SECONDS, ACCESS_SECONDS - 1, ACCESS_SECONDS, 86_400, REFRESH_SECONDS - 1]


@dataclass
class Token:
    """A token's text, and when it expires by its own claim."""

    text: str
    expires: float


@dataclass
class SignIn:
    """The model of one sign-in. Its refresh tokens are in the order in which they were issued."""

    person: Person
    refresh_tokens: list[Token]
    access_tokens: list[Token]
    rotated: float
    expires: float
    is_revoked: bool = False

    def is_open(self, now: float) -> bool:
        return not self.is_revoked and now < self.expires


class Sessions(RuleBasedStateMachine):
    """Two people, several sign-ins each, and a clock."""

    steps = 0
    client: httpx2.Client
    clock: Clock

    def __init__(self) -> None:
        super().__init__()
        self.people: list[Person] = []
        self.sign_ins: list[SignIn] = []

    @property
    def now(self) -> float:
        return self.clock.time()

    @initialize()
    def two_people_sign_up(self) -> None:
        self.people = [Person.sign_up(self.client, name=name) for name in ("Ada", "Ben")]
        for person in self.people:
            person.create_task(f"of {person.id}")
            self.remember(person, person.auth)

    @rule(who=st.integers(0, 1))
    def sign_in(self, who: int) -> None:
        self.count()
        person = self.people[who]
        response = self.client.post("/api/auth/signin", json={"email": person.email, "password": PASSWORD})

        assert response.status_code == 200
        self.remember(person, response.json())

    @rule(data=st.data())
    def use_an_access_token(self, data: st.DataObject) -> None:
        self.count()
        sign_in = self.any_sign_in(data)
        token = self.recent_token(data, sign_in.access_tokens)
        is_valid = sign_in.is_open(self.now) and self.now < token.expires

        response = self.client.get("/api/tasks", headers={"Authorization": f"Bearer {token.text}"})

        assert response.status_code == (200 if is_valid else 401)
        if is_valid:
            assert {task["user_id"] for task in response.json()} == {sign_in.person.id}

    @rule(data=st.data())
    def use_a_refresh_token(self, data: st.DataObject) -> None:
        self.count()
        sign_in = self.any_sign_in(data)
        self.present(sign_in, self.recent_token(data, sign_in.refresh_tokens))

    @rule(data=st.data(), seconds=st.sampled_from([0.5, LEEWAY_SECONDS - 1, LEEWAY_SECONDS]))
    def use_a_refresh_token_twice(self, data: st.DataObject, seconds: float) -> None:
        self.count()
        sign_in = self.any_sign_in(data)
        token = sign_in.refresh_tokens[-1]
        self.present(sign_in, token)
        self.clock.advance(seconds=seconds)
        self.present(sign_in, token)

    def present(self, sign_in: SignIn, token: Token) -> None:
        """Exchange a refresh token, and compare the answer with the model's."""
        is_current = token is sign_in.refresh_tokens[-1]
        is_previous = sign_in.refresh_tokens[-2:-1] == [token]

        response = self.client.post("/api/auth/refresh", json={"refresh_token": token.text})

        if not sign_in.is_open(self.now) or self.now >= token.expires:
            assert response.status_code == 401
        elif is_current:
            assert response.status_code == 200
            sign_in.rotated, sign_in.expires = self.now, self.now + REFRESH_SECONDS
            sign_in.refresh_tokens.append(self.refresh_token(response.json()))
            sign_in.access_tokens.append(self.access_token(response.json()))
        elif is_previous and self.now < sign_in.rotated + LEEWAY_SECONDS:
            assert response.status_code == 200
            assert response.json()["refresh_token"] == sign_in.refresh_tokens[-1].text
            sign_in.access_tokens.append(self.access_token(response.json()))
        else:
            assert response.status_code == 401
            sign_in.is_revoked = True

    @rule(data=st.data())
    def sign_out(self, data: st.DataObject) -> None:
        self.count()
        sign_in = self.any_sign_in(data)
        token = self.recent_token(data, sign_in.access_tokens)
        is_valid = sign_in.is_open(self.now) and self.now < token.expires

        response = self.client.post("/api/auth/signout", headers={"Authorization": f"Bearer {token.text}"})

        assert response.status_code == (200 if is_valid else 401)
        sign_in.is_revoked = sign_in.is_revoked or is_valid

    @rule(data=st.data())
    def use_a_token_for_what_it_is_not(self, data: st.DataObject) -> None:
        self.count()
        sign_in = self.any_sign_in(data)
        access, refresh = (
            self.recent_token(data, sign_in.access_tokens),
            self.recent_token(data, sign_in.refresh_tokens),
        )

        as_access = self.client.get("/api/tasks", headers={"Authorization": f"Bearer {refresh.text}"})
        as_refresh = self.client.post("/api/auth/refresh", json={"refresh_token": access.text})

        assert (as_access.status_code, as_refresh.status_code) == (401, 401)

    @precondition(lambda self: self.sign_ins)
    @rule(seconds=st.sampled_from(PAUSES))
    def wait(self, seconds: float) -> None:
        self.count()
        self.clock.advance(seconds=seconds)

    def any_sign_in(self, data: st.DataObject) -> SignIn:
        return data.draw(st.sampled_from(self.sign_ins), "sign-in")

    def recent_token(self, data: st.DataObject, tokens: list[Token]) -> Token:
        """One of the tokens, most often the newest."""
        back = data.draw(st.sampled_from([0, 0, 0, 1, 1, 2, len(tokens) - 1]), "tokens back")
        return tokens[max(len(tokens) - 1 - back, 0)]

    def remember(self, person: Person, auth: dict[str, Any]) -> None:
        self.sign_ins.append(
            SignIn(
                person,
                [self.refresh_token(auth)],
                [self.access_token(auth)],
                rotated=self.now,
                expires=self.now + REFRESH_SECONDS,
            )
        )

    def refresh_token(self, auth: dict[str, Any]) -> Token:
        return Token(auth["refresh_token"], math.floor(self.now + REFRESH_SECONDS))

    def access_token(self, auth: dict[str, Any]) -> Token:
        return Token(auth["access_token"], math.floor(self.now) + ACCESS_SECONDS)

    def count(self) -> None:
        type(self).steps += 1


@pytest.fixture
def sessions(clock: Clock, timed_client: Callable[..., TestClient]) -> type[Sessions]:
    """The state machine. All its runs share one database, because each has people of its own."""
    Sessions.clock = clock
    Sessions.client = timed_client(**NO_LIMITS)
    Sessions.steps = 0
    return Sessions


@pytest.mark.spec(
    "FR-009", "FR-010", "FR-011", "FR-012", "FR-013", "EDGE-token-expiration-during-request", "EDGE-refresh-token-reuse"
)
def test_sign_ins_behave_like_the_model(sessions: type[Sessions]) -> None:
    run_state_machine_as_test(
        sessions,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS_OF_AN_EXAMPLE,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )

    assert Sessions.steps >= MIN_STEPS
