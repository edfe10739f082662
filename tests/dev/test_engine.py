"""What is asked of a container engine, and how a container reaches a database that listens on 127.0.0.1 only."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.local_lambda import engine as engines
from dev.local_lambda.engine import Engine
from dev.local_lambda.relay import Relay
from dev.user_error import UserError
from tests.support.fake_engine import BRIDGE, FakeEngine, fake_engine

MARK = "DATABASE_URL=postgresql://one"


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeEngine]:
    with fake_engine(tmp_path) as engine:
        yield engine


def test_the_first_engine_that_answers_is_taken(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [fake.socket.parent / "not there", fake.socket, fake.socket.parent / "never asked"]
    monkeypatch.setattr(engines, "_usual_places", lambda _: places)

    assert Engine.find({}).path == fake.socket


def test_the_usual_places_are_those_of_docker_and_of_podman(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")

    assert [str(place) for place in engines._usual_places({"XDG_RUNTIME_DIR": "/run/user/7"})] == [
        "/var/run/docker.sock",
        "/home/ada/.docker/run/docker.sock",
        "/home/ada/.docker/desktop/docker.sock",
        "/run/podman/podman.sock",
        "/run/user/7/podman/podman.sock",
    ]


def test_docker_host_names_the_engine(fake: FakeEngine) -> None:
    assert Engine.find(fake.variables).path == fake.socket


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("", "No container engine answers here. Start Docker, or podman's service"),
        ("unix:///nowhere.sock", "No container engine answers at DOCKER_HOST=unix:///nowhere.sock; start it"),
        ("ssh://ada@example.com", "DOCKER_HOST is ssh://ada@example.com: only an engine on this machine"),
    ],
)
def test_a_missing_engine_is_one_sentence(host: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_usual_places", lambda _: [Path("/nowhere")])

    with pytest.raises(UserError) as refused:
        Engine.find({"DOCKER_HOST": host})

    assert str(refused.value).startswith(message)


def test_a_socket_that_this_user_must_not_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(engines._UnixConnection, "connect", refuse)

    with pytest.raises(UserError, match=r"You may not use /var/run/docker.sock; `sudo usermod -aG docker"):
        Engine.find({"DOCKER_HOST": "unix:///var/run/docker.sock"})


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere an engine runs in a virtual machine")
class TestAddressOfThisMachine:
    @pytest.mark.parametrize(
        "ranges",
        [
            [{"Subnet": "127.0.0.0/8", "Gateway": BRIDGE}],
            [{"Subnet": "fd00::/64", "Gateway": "fd00::1"}, {"Subnet": "127.0.0.76/30"}],
        ],
        ids=["as Docker and podman say", "an IPv6 network first, and no gateway named"],
    )
    def test_it_is_the_bridge_s(self, fake: FakeEngine, ranges: list[dict[str, str]]) -> None:
        fake.network = {"IPAM": {"Config": ranges}}

        assert Engine(fake.socket).address_of_this_machine() == BRIDGE

    def test_docker_desktop_s_containers_know_it(self, fake: FakeEngine) -> None:
        fake.info = {"OperatingSystem": "Docker Desktop"}

        assert Engine(fake.socket).address_of_this_machine() is None

    @pytest.mark.parametrize(
        "info", [{"Rootless": True}, {"SecurityOptions": ["name=rootless"]}], ids=["podman", "Docker"]
    )
    def test_a_rootless_engine_is_refused(self, fake: FakeEngine, info: dict[str, Any]) -> None:
        fake.info = info

        with pytest.raises(UserError, match="rootless engine, whose containers cannot reach a database"):
            Engine(fake.socket).address_of_this_machine()

    def test_an_engine_without_a_network_is_refused(self, fake: FakeEngine) -> None:
        fake.network = None

        with pytest.raises(UserError, match="has no default network"):
            Engine(fake.socket).address_of_this_machine()


def test_an_image_is_found_by_its_whole_name(fake: FakeEngine) -> None:
    fake.images.add("public.ecr.aws/lambda/python:3.13-x86_64")

    assert Engine(fake.socket).has_image("public.ecr.aws/lambda/python:3.13-x86_64")
    assert not Engine(fake.socket).has_image("python:3.13-x86_64")


def test_only_containers_with_the_mark_are_removed(fake: FakeEngine) -> None:
    fake.containers |= {"ours": ["A=1", MARK], "another": ["DATABASE_URL=postgresql://two"], "bare": []}

    Engine(fake.socket).remove_containers(MARK)

    assert set(fake.containers) == {"another", "bare"}


class TestRelay:
    @pytest.fixture
    def server(self) -> Iterator[socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(10)
            yield server

    def test_bytes_and_their_end_pass_in_both_directions(self, server: socket.socket) -> None:
        with (
            Relay(BRIDGE, server.getsockname()[1]) as relay,
            socket.create_connection((BRIDGE, relay.port), 10) as client,
        ):
            database, _ = server.accept()
            client.sendall(b"question")
            client.shutdown(socket.SHUT_WR)
            with database, database.makefile("rb") as received:
                assert received.read() == b"question"
                database.sendall(b"answer")
            with client.makefile("rb") as received:
                assert received.read() == b"answer"

    def test_it_listens_on_that_address_only(self, server: socket.socket) -> None:
        with Relay(BRIDGE, server.getsockname()[1]) as relay, pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", relay.port), 10)

    def test_nothing_listens_after_the_block(self, server: socket.socket) -> None:
        with Relay(BRIDGE, server.getsockname()[1]) as relay:
            pass

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((BRIDGE, relay.port), 10)

    @pytest.mark.skipif(sys.platform != "linux", reason="a Linux option, needed for podman's bridge")
    def test_the_address_may_come_into_being_later(self) -> None:
        with Relay("198.51.100.7", 9) as relay:  # RFC 5737: no machine has it
            assert relay.port > 0
