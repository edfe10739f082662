"""Rate limits: which address a request is counted for, and that the table discloses no address and no e-mail."""

import pytest
from starlette.testclient import TestClient

from backend.auth import rate_limits
from tests.auth.guesses import LIMIT, WRONG_PASSWORD, client_at, sign_in, sign_up, some_email
from tests.conftest import MakeClient
from tests.support.database_copy import DatabaseCopy
from tests.support.gateway import invoke
from tests.support.people import Person


@pytest.mark.spec("NFR-005", "NFR-007")
def test_neither_emails_nor_addresses_are_stored(fresh_database: DatabaseCopy, make_client: MakeClient) -> None:
    person = Person.sign_up(make_client(database_url=fresh_database.url, address="192.0.2.55"))
    sign_in(client_at("192.0.2.56", person.http), person.email)
    person.refresh()

    with fresh_database.connect_as_owner() as owner:
        rows = owner.run("select key, cast(rate_limits as text) from rate_limits")

    assert len(rows) == 5  # a sign-up, the three of a guess, the known network
    assert all(len(key) == 64 and set(key) <= set("0123456789abcdef") for key, _ in rows)
    text = str(rows)
    assert not any(clue in text for clue in (person.email.partition("@")[0], "example.com", "192.0.2.5", person.id))


@pytest.mark.spec("NFR-005")
def test_keys_cannot_be_computed_without_the_secret() -> None:
    limits = [rate_limits.Limit("guesses per account", "ada@example.com", 1)]

    one, another = (rate_limits.window(secret, 60, limits, known="ada") for secret in ("one secret", "another secret"))

    assert not {*one.keys, one.known_key} & {*another.keys, another.known_key}


@pytest.mark.spec("NFR-005")
@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:0DB8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        (None, "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_ipv4_is_counted_by_address_and_ipv6_by_network(address: str | None, network: str) -> None:
    assert rate_limits.network(address) == network


@pytest.mark.spec("NFR-005")
def test_all_addresses_of_an_ipv6_network_share_a_limit(client: TestClient) -> None:
    email = some_email()

    answers = [sign_in(client_at(f"2001:db8:0:7:{n:x}::{n:x}", client), email).status_code for n in range(1, LIMIT + 3)]

    assert answers == [401] * LIMIT + [429] * 2
    assert sign_in(client_at("2001:db8:0:8::1", client), email).status_code == 401


@pytest.mark.spec("NFR-005")
def test_the_networks_of_an_ipv6_home_share_a_limit_four_times_as_high(make_client: MakeClient) -> None:
    client = make_client(signin_failures_per_address=2)

    answers = [
        sign_in(client_at(f"2001:db8:0:{0x100 + n:x}::1", client), some_email()).status_code
        for n in range(10)  # ten /64 of one /56
    ]

    assert answers == [401] * 8 + [429] * 2
    assert sign_in(client_at("2001:db8:0:200::1", client), some_email()).status_code == 401


@pytest.mark.spec("NFR-005")
def test_an_ipv6_network_keeps_its_own_limit_within_its_home(make_client: MakeClient) -> None:
    client = make_client(signin_failures_per_address=2)

    answers = [sign_in(client_at(f"2001:db8:0:300::{n}", client), some_email()).status_code for n in range(1, 4)]

    assert answers == [401, 401, 429]
    assert sign_in(client_at("2001:db8:0:301::1", client), some_email()).status_code == 401


@pytest.mark.spec("NFR-005")
def test_sign_ups_are_limited_for_an_ipv6_home_too(make_client: MakeClient) -> None:
    client = make_client(signups_per_address=1)

    answers = [sign_up(client_at(f"2001:db8:0:{0x400 + n:x}::1", client)).status_code for n in range(5)]

    assert answers == [201] * 4 + [429]


@pytest.mark.spec("NFR-005")
def test_forwarded_headers_of_a_client_do_not_change_its_address(client: TestClient) -> None:
    email = some_email()

    answers = [
        sign_in(
            client,
            email,
            **{
                "X-Forwarded-For": f"192.0.2.{n}",
                "Forwarded": f"for=192.0.2.{n}",
                "X-Real-IP": f"192.0.2.{n}",
                "CF-Connecting-IP": f"192.0.2.{n}",
            },
        ).status_code
        for n in range(LIMIT + 2)
    ]

    assert answers == [401] * LIMIT + [429] * 2


@pytest.mark.spec("NFR-005")
def test_in_lambda_the_address_is_the_gateways_source_ip(make_client: MakeClient) -> None:
    app = make_client(database_pool_size=0).app
    email = some_email()

    def status(source_ip: str, number: int) -> int:
        answer = invoke(
            app,
            "POST",
            "/api/auth/signin",
            headers={"x-forwarded-for": f"192.0.2.{number}"},
            body={"email": email, "password": WRONG_PASSWORD},
            source_ip=source_ip,
        )
        return int(answer["statusCode"])

    assert [status("198.51.100.7", n) for n in range(LIMIT + 1)] == [401] * LIMIT + [429]
    assert status("198.51.100.8", 0) == 401
