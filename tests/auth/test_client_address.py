"""Which address a request is counted for: the connection's, or the one that a proxy with our secret names."""

import asyncio

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.testclient import TestClient

from backend.auth.client_address import client_address
from backend.settings import ConfigurationError, Settings, load_settings
from tests.auth.guesses import LIMIT, WRONG_PASSWORD, sign_in, some_email
from tests.conftest import MakeClient, MakeSettings
from tests.support.gateway import invoke

SECRET = "the proxy's secret, long enough to be one"
PEER = "198.51.100.7"
CLOUDFRONT = "CloudFront-Viewer-Address"
Headers = list[tuple[str, str]]


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(trusted_proxy_secret=SECRET)


def address_of(settings: Settings, headers: Headers) -> str | None:
    lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    app = FastAPI()
    app.state.parts = {Settings: settings}
    request = Request({"type": "http", "headers": lines, "client": (PEER, 50000), "app": app})
    return asyncio.run(client_address(request, settings))


@pytest.mark.spec("NFR-005")
@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("192.0.2.1:46532", "192.0.2.1"),
        ("2001:db8::1:443", "2001:db8::1"),
        ("2001:0db8:0:0:0:0:0:1:46532", "2001:db8::1"),
    ],
)
def test_cloudfronts_address_is_taken_without_its_port(settings: Settings, value: str, address: str) -> None:
    assert address_of(settings, [("X-Proxy-Secret", SECRET), (CLOUDFRONT, value)]) == address


@pytest.mark.spec("NFR-005")
@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_another_header_holds_the_address_alone(make_settings: MakeSettings, address: str) -> None:
    settings = make_settings(trusted_proxy_secret=SECRET, trusted_proxy_header="X-Client-Address")

    assert address_of(settings, [("X-Proxy-Secret", SECRET), ("X-Client-Address", address)]) == address


@pytest.mark.spec("NFR-005")
@pytest.mark.parametrize(
    "value",
    [
        "192.0.2.1:443",
        "[2001:db8::1]",
        "[2001:db8::1]:443",
        "2001:db8:0:0:0:0:0:1:443",
        "192.0.2.1, 192.0.2.2",
        " 192.0.2.1",
        "192.0.2.01",
        "example.com",
        "",
    ],
)
def test_a_malformed_address_of_another_header_counts_as_absent(make_settings: MakeSettings, value: str) -> None:
    settings = make_settings(trusted_proxy_secret=SECRET, trusted_proxy_header="X-Client-Address")

    assert address_of(settings, [("X-Proxy-Secret", SECRET), ("X-Client-Address", value)]) == PEER


@pytest.mark.spec("NFR-005")
@pytest.mark.parametrize(
    "value",
    [
        "192.0.2.1",
        "192.0.2.1:",
        "192.0.2.1:http",
        "192.0.2.1:٤٤٣".encode().decode("latin-1"),
        "2001:db8::g:443",
        ":443",
    ],
)
def test_a_malformed_address_of_cloudfront_counts_as_absent(settings: Settings, value: str) -> None:
    assert address_of(settings, [("X-Proxy-Secret", SECRET), (CLOUDFRONT, value)]) == PEER


@pytest.mark.spec("NFR-005")
@pytest.mark.parametrize(
    "headers",
    [
        [(CLOUDFRONT, "192.0.2.1:443")],
        [("X-Proxy-Secret", "forged"), (CLOUDFRONT, "192.0.2.1:443")],
        [("X-Proxy-Secret", ""), (CLOUDFRONT, "192.0.2.1:443")],
        [("X-Proxy-Secret", SECRET + "é"), (CLOUDFRONT, "192.0.2.1:443")],
        [("X-Proxy-Secret", SECRET)],
        [("X-Proxy-Secret", SECRET), ("X-Forwarded-For", "192.0.2.1")],
    ],
)
def test_a_forged_or_missing_header_counts_as_absent(settings: Settings, headers: Headers) -> None:
    assert address_of(settings, headers) == PEER


@pytest.mark.spec("NFR-005")
def test_without_a_secret_in_the_settings_no_header_is_believed(make_settings: MakeSettings) -> None:
    assert address_of(make_settings(), [("X-Proxy-Secret", ""), (CLOUDFRONT, "192.0.2.1:443")]) == PEER


@pytest.fixture
def proxied(make_client: MakeClient) -> TestClient:
    return make_client(trusted_proxy_secret=SECRET)


@pytest.mark.spec("NFR-005")
def test_clients_behind_the_proxy_have_limits_of_their_own(proxied: TestClient) -> None:
    email = some_email()

    def attempt(address: str, secret: str = SECRET) -> int:
        headers = {"X-Proxy-Secret": secret, CLOUDFRONT: f"{address}:443"}
        return sign_in(proxied, email, **headers).status_code

    assert [attempt("192.0.2.1") for _ in range(LIMIT + 1)] == [401] * LIMIT + [429]
    assert attempt("192.0.2.2") == 401
    forged = [attempt(f"192.0.2.{n}", "forged") for n in range(10, 11 + LIMIT)]
    assert forged == [401] * LIMIT + [429]  # all counted for the connection's address


@pytest.mark.spec("NFR-005")
@pytest.mark.parametrize("doubled", ["X-Proxy-Secret", CLOUDFRONT])
def test_a_doubled_header_counts_as_absent(proxied: TestClient, doubled: str) -> None:
    email = some_email()

    def attempt(number: int) -> int:
        lines = [("X-Proxy-Secret", SECRET), (CLOUDFRONT, f"192.0.2.{number}:443")]
        lines += [line for line in lines if line[0] == doubled]
        return proxied.post(
            "/api/auth/signin", json={"email": email, "password": WRONG_PASSWORD}, headers=lines
        ).status_code

    assert [attempt(number) for number in range(LIMIT + 1)] == [401] * LIMIT + [429]


@pytest.mark.spec("NFR-005")
def test_in_lambda_the_proxys_header_is_read_as_well(make_client: MakeClient) -> None:
    app = make_client(database_pool_size=0, trusted_proxy_secret=SECRET).app
    email = some_email()

    def status(number: int, **headers: str) -> int:
        answer = invoke(
            app,
            "POST",
            "/api/auth/signin",
            headers={"cloudfront-viewer-address": f"192.0.2.{number}:443", **headers},
            body={"email": email, "password": WRONG_PASSWORD},
            source_ip=PEER,
        )
        return int(answer["statusCode"])

    assert [status(n) for n in range(LIMIT + 1)] == [401] * LIMIT + [429]
    assert status(1, **{"x-proxy-secret": SECRET}) == 401


@pytest.mark.spec("SC-014", "NFR-003")
@pytest.mark.parametrize(
    ("name", "value"), [("TRUSTED_PROXY_SECRET", "short"), ("TRUSTED_PROXY_HEADER", "no header name")]
)
def test_an_unusable_proxy_setting_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    required = {
        "DATABASE_URL": "postgresql://a:b@localhost/c",
        "BETTER_AUTH_SECRET": SECRET,
        "FRONTEND_URL": "http://a",
    }
    for variable, text in {**required, name: value}.items():
        monkeypatch.setenv(variable, text)

    with pytest.raises(ConfigurationError, match=name) as refused:
        load_settings()

    assert value not in str(refused.value)
