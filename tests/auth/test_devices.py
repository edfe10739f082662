"""Real life: four devices of one person on bad networks, and thieves, compared with a model of their sign-ins.

An honest device loses answers and repeats the request, refreshes in two tabs at once, sleeps, and stays away for days.
It is never signed out. A thief who presents a token that was replaced longer ago than the leeway always is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run
from starlette.testclient import TestClient

from tests.conftest import NO_LIMITS
from tests.support.clock import Clock
from tests.support.people import Person

SEQUENCES = 40
STEPS_OF_A_SEQUENCE = 40
ENOUGH, MOST_RUNS = 5, 4
"""Each kind of event has to happen so often. By chance one is rare in a run; then there is another run."""
DEVICES = ("laptop", "phone", "tablet", "work")
LEEWAY = timedelta(seconds=30)
LIFETIME = timedelta(days=7)
LONGEST_ABSENCE = timedelta(days=6)
SLEEPS = [timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=8), timedelta(days=1), LONGEST_ABSENCE]

seconds_of_a_lost_answer = st.floats(0, 10)
"""What passes until the client knows that there will be no answer, or until its second tab asks."""


@dataclass
class Issued:
    """A refresh token, when it expires by its own claim, and when it was replaced by its successor."""

    text: str
    expires: datetime
    replaced: datetime | None = None

    @classmethod
    def at(cls, now: datetime, text: str) -> "Issued":
        """A token that was issued now; the claim `exp` has whole seconds."""
        return cls(text, (now + LIFETIME).replace(microsecond=0))

    def is_old(self, now: datetime) -> bool:
        """Whether it was replaced longer ago than the leeway."""
        return self.replaced is not None and now >= self.replaced + LEEWAY


@dataclass
class Device:
    """A device and its own sign-in. `stored` is what its tabs share, as in localStorage."""

    stored: Person
    issued: list[Issued]
    last_used: datetime
    is_robbed: bool = False
    seen_by_thief: list[Issued] = field(default_factory=list)

    @property
    def current(self) -> Issued:
        return self.issued[-1]


class FourDevices(RuleBasedStateMachine):
    """One person's devices, their networks, and a thief."""

    client: httpx2.Client
    clock: Clock
    lost, repeated, stolen, caught = 0, 0, 0, 0

    def __init__(self) -> None:
        super().__init__()
        self.devices: dict[str, Device] = {}

    @property
    def now(self) -> datetime:
        return self.clock.now

    @initialize()
    def everyone_signs_in(self) -> None:
        person = Person.sign_up(self.client)
        for name in DEVICES:
            self.devices[name] = self.signed_in(person)

    def signed_in(self, person: Person) -> Device:
        stored = person.sign_in_again()
        return Device(stored, [Issued.at(self.now, stored.auth["refresh_token"])], self.now)

    @rule(name=st.sampled_from(DEVICES), losses=st.lists(seconds_of_a_lost_answer, max_size=2))
    def opens_the_page(self, name: str, losses: list[float]) -> None:
        """As the frontend does: the list; on a 401 a refresh, repeated as often as its answer is lost; the list again.

        :param losses: for each lost answer, the seconds until the client notices
        """
        device = self.devices[name]
        if device.is_robbed:
            self.robbed_device_refreshes(name)
            return
        answer = device.stored.get("/api/tasks")
        if answer.status_code == 401:
            self.refreshes(device, losses)
            answer = device.stored.get("/api/tasks")
        assert answer.status_code == 200
        device.last_used = self.now

    def refreshes(self, device: Device, losses: list[float]) -> None:
        presented = device.stored.auth["refresh_token"]
        for seconds in losses:
            type(self).lost += 1
            assert self.presented(device, presented).status_code == 200  # the client does not see it
            self.clock.advance(seconds=seconds)
        answer = self.presented(device, presented)
        assert answer.status_code == 200
        device.stored.auth = answer.json()
        assert device.stored.auth["refresh_token"] == device.current.text

    @rule(name=st.sampled_from(DEVICES), seconds=seconds_of_a_lost_answer)
    def refreshes_in_two_tabs(self, name: str, seconds: float) -> None:
        device = self.devices[name]
        if device.is_robbed:
            return
        read_by_both = device.stored.auth["refresh_token"]
        first = self.presented(device, read_by_both)
        self.clock.advance(seconds=seconds)
        second = self.presented(device, read_by_both)

        assert (first.status_code, second.status_code) == (200, 200)
        assert first.json()["refresh_token"] == second.json()["refresh_token"]
        type(self).repeated += 1
        device.stored.auth = second.json()
        device.last_used = self.now

    @rule(sleep=st.sampled_from(SLEEPS))
    def everyone_sleeps(self, sleep: timedelta) -> None:
        """Time passes, but no device stays away for longer than six days."""
        latest = min(device.last_used for device in self.devices.values()) + LONGEST_ABSENCE
        self.clock.advance(seconds=max(timedelta(), min(sleep, latest - self.now)).total_seconds())

    @rule(name=st.sampled_from(DEVICES))
    def a_thief_copies_the_storage(self, name: str) -> None:
        device = self.devices[name]
        device.seen_by_thief.append(device.current)

    @rule(name=st.sampled_from(DEVICES), losses=st.lists(seconds_of_a_lost_answer, min_size=1, max_size=2))
    def refreshes_on_a_bad_network(self, name: str, losses: list[float]) -> None:
        device = self.devices[name]
        if not device.is_robbed:
            self.refreshes(device, losses)
            device.last_used = self.now

    @precondition(lambda self: any(self.old_loot(device) for device in self.devices.values()))
    @rule(data=st.data())
    def a_thief_uses_an_old_token(self, data: st.DataObject) -> None:
        robbed = [name for name in DEVICES if self.old_loot(self.devices[name])]
        name = data.draw(st.sampled_from(robbed), "device")
        self.a_thief_is_caught(name, data.draw(st.sampled_from(self.old_loot(self.devices[name])), "token"))

    @rule(name=st.sampled_from(DEVICES), sleep=st.sampled_from([LEEWAY, *SLEEPS]))
    def a_thief_comes_too_late(self, name: str, sleep: timedelta) -> None:
        device = self.devices[name]
        if device.is_robbed:
            return
        copied = device.current
        self.refreshes(device, [])
        device.last_used = self.now
        self.everyone_sleeps(sleep)
        if copied.is_old(self.now):
            self.a_thief_is_caught(name, copied)

    def a_thief_is_caught(self, name: str, token: Issued) -> None:
        """The token was replaced longer ago than the leeway: the thief gets nothing, and the whole sign-in ends.

        A token that has expired besides proves nothing and ends nothing.
        """
        device = self.devices[name]

        assert self.refresh(token.text).status_code == 401

        if self.now >= token.expires:
            return
        type(self).caught += 1
        assert device.stored.get("/api/tasks").status_code == 401
        assert self.refresh(device.current.text).status_code == 401
        self.devices[name] = self.signed_in(device.stored)

    @precondition(lambda self: self.open_to_the_thief())
    @rule(data=st.data())
    def a_thief_uses_the_current_token(self, data: st.DataObject) -> None:
        """The thief is signed in until the device presents its own token, which was replaced."""
        device = self.devices[data.draw(st.sampled_from(self.open_to_the_thief()), "device")]
        assert self.presented(device, device.current.text).status_code == 200
        type(self).stolen += 1
        device.is_robbed = True
        self.clock.advance(seconds=LEEWAY.total_seconds())

    def robbed_device_refreshes(self, name: str) -> None:
        """The device presents a token that was replaced. That ends the sign-in, for the thief too."""
        device = self.devices[name]
        assert self.refresh(device.stored.auth["refresh_token"]).status_code == 401
        assert self.refresh(device.current.text).status_code == 401  # what the thief has
        self.devices[name] = self.signed_in(device.stored)

    @invariant()
    def the_model_fits_the_storage(self) -> None:
        for device in self.devices.values():
            if not device.is_robbed:
                assert device.stored.auth["refresh_token"] == device.current.text

    def presented(self, device: Device, token: str) -> httpx2.Response:
        """Refresh, and note in the model what the server did, whether the client sees the answer or not."""
        answer = self.refresh(token)
        if answer.status_code == 200:
            successor = answer.json()["refresh_token"]
            if successor != device.current.text:
                device.current.replaced = self.now
                device.issued.append(Issued.at(self.now, successor))
        return answer

    def refresh(self, token: str) -> httpx2.Response:
        return self.client.post("/api/auth/refresh", json={"refresh_token": token})

    def open_to_the_thief(self) -> list[str]:
        """The devices whose current token the thief has copied."""
        return [
            name
            for name, device in self.devices.items()
            if device.current in device.seen_by_thief and not device.is_robbed
        ]

    def old_loot(self, device: Device) -> list[Issued]:
        """The stolen tokens of the device that were replaced longer ago than the leeway."""
        if device.is_robbed:
            return []
        return [token for token in device.seen_by_thief if token.is_old(self.now)]


@pytest.mark.spec("FR-010", "FR-011", "FR-012", "EDGE-refresh-token-reuse", "NFR-023", "SC-001")
def test_no_honest_device_is_signed_out_and_every_late_thief_is(
    clock: Clock, timed_client: Callable[..., TestClient]
) -> None:
    FourDevices.clock = clock
    FourDevices.client = timed_client(**NO_LIMITS)
    FourDevices.lost = FourDevices.repeated = FourDevices.stolen = FourDevices.caught = 0

    happened: dict[str, int] = {}
    for _ in range(MOST_RUNS):
        run(
            FourDevices,
            settings=settings(
                max_examples=SEQUENCES,
                stateful_step_count=STEPS_OF_A_SEQUENCE,
                deadline=None,
                phases=[Phase.generate],  # shrinking would take minutes
                database=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
        happened = {name: getattr(FourDevices, name) for name in ("lost", "repeated", "stolen", "caught")}
        if min(happened.values()) >= ENOUGH:
            return
    pytest.fail(f"too little has happened: {happened}")
