"""Tokens: a forged, malformed or expired token, or one of the other kind, is 401 and never another error."""

import hashlib
import hmac
import json
import os
import string
import subprocess
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from backend.auth.tokens import LIFETIME_MAX_SECONDS, TOKEN_MAX_LENGTH, InvalidToken, Kind, Tokens
from backend.settings import ConfigurationError, load_settings
from dev.paths import CHECKOUT
from tests.conftest import SECRET, MakeClient
from tests.support.gateway import invoke
from tests.support.people import Person

HEADER = '{"alg":"HS256","typ":"JWT"}'
ALG_NONE = '{"alg":"none","typ":"JWT"}'
OTHER_SECRET = "somebody else's secret, long enough to be one"
OTHER_KIND = {"access": "refresh", "refresh": "access"}
HUGE = 10**300

Claims = dict[str, Any]


def encoded(part: str | bytes) -> str:
    return urlsafe_b64encode(part.encode() if isinstance(part, str) else part).rstrip(b"=").decode()


def signed(header: str, payload: str | bytes, *, secret: str | bytes = SECRET, digest: Any = hashlib.sha256) -> str:
    """A token of this header and payload, which need not be valid, signed like ours."""
    signing_input = f"{encoded(header)}.{encoded(payload)}"
    key = secret if isinstance(secret, bytes) else secret.encode()
    return f"{signing_input}.{encoded(hmac.new(key, signing_input.encode(), digest).digest())}"


def claims_of(token: str) -> Claims:
    payload = token.split(".")[1]
    claims: Claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def with_claims(**changes: object) -> Callable[[Claims], str]:
    """A token that differs from a valid one in these claims, and is signed with the right key."""
    return lambda claims: signed(HEADER, json.dumps({**claims, **changes}))


def without_claim(name: str) -> Callable[[Claims], str]:
    return lambda claims: signed(HEADER, json.dumps({key: claims[key] for key in claims if key != name}))


def with_literal(name: str, literal: str) -> Callable[[Claims], str]:
    """A token with this JSON text as a claim, which `json.dumps` would not write."""

    def forge(claims: Claims) -> str:
        placeholder = str(uuid4())
        return signed(HEADER, json.dumps({**claims, name: placeholder}).replace(f'"{placeholder}"', literal))

    return forge


def with_header(header: str, digest: Any = hashlib.sha256) -> Callable[[Claims], str]:
    return lambda claims: signed(header, json.dumps(claims), digest=digest)


def changed(change: Callable[[str], str]) -> Callable[[Claims], str]:
    """A valid token whose text was changed."""
    return lambda claims: change(signed(HEADER, json.dumps(claims)))


def segments_in_order(*order: int | str) -> Callable[[Claims], str]:
    """The segments of a valid token in another order; a text in `order` stands for itself."""

    def forge(claims: Claims) -> str:
        parts = signed(HEADER, json.dumps(claims)).split(".")
        return ".".join(part if isinstance(part, str) else parts[part] for part in order)

    return forge


NOT_A_TIME: dict[str, object] = {
    "null": None,
    "text": str(int(time.time()) + 600),
    "float": time.time() + 600.5,
    "whole float": float(int(time.time()) + 600),
    "true": True,
    "list": [int(time.time()) + 600],
    "object": {},
    "negative": -1,
    "zero": 0,
    "huge": HUGE,
    "negative and huge": -HUGE,
    "infinite": float("inf"),
    "NaN": float("nan"),
}
NOT_AN_ID: dict[str, object] = {
    "null": None,
    "empty": "",
    "number": 7,
    "list": [],
    "object": {},
    "not a UUID": "admin",
    "a UUID in braces": f"{{{UUID(int=7)}}}",
    "a UUID in capitals": str(UUID(int=0xABCDEF)).upper(),
    "a URN": UUID(int=7).urn,
    "with U+0000": "\0",
    "a lone surrogate": "\ud800",
    "foreign": str(UUID(int=7)),
}
ODD_TEXT = {
    "empty": "",
    "one segment": "token",
    "two dots": "..",
    "dots alone": "." * 100,
    "null": "null",
    "JSON": '{"alg":"HS256"}',
    "not ASCII": "tökèn.🔑.日本",
    "spaces": "   ",
    "a bearer": "Bearer Bearer",
    "percent": "%00%ff",
    "a deep header": ".".join(map(encoded, ("[" * 100_000, "{}", "x"))),
    "a deep header of objects": ".".join(map(encoded, ('{"a":' * 100_000, "{}", "x"))),
    "a megabyte": "A" * 2**20,
    "a megabyte of dots": "." * 2**20,
    "a megabyte of segments": f"{'A' * 2**19}.{'A' * 2**18}.{'A' * 2**18}",
}

FORGERIES: dict[str, Callable[[Claims], str]] = {
    **{
        f"{name}: {what}": with_claims(**{name: value}) for name in ("exp", "iat") for what, value in NOT_A_TIME.items()
    },
    **{
        f"{name}: {what}": with_literal(name, literal)
        for name in ("exp", "iat")
        for what, literal in {"1e999": "1e999", "-1e999": "-1e999", "a bignum": "9" * 500, "hex": "0x7fffffff"}.items()
    },
    **{
        f"{name}: {what}": with_claims(**{name: value})
        for name in ("user_id", "sub", "sid")
        for what, value in NOT_AN_ID.items()
    },
    **{f"without {name}": without_claim(name) for name in ("user_id", "sub", "sid", "jti", "typ", "iat", "exp")},
    "expired": with_claims(exp=int(time.time()) - 1, iat=int(time.time()) - 901),
    "expires before it was issued": lambda claims: with_claims(iat=claims["exp"] + 1)(claims),
    "both times huge": with_claims(exp=HUGE + 900, iat=HUGE),
    "lives for ever": with_claims(exp=int(time.time()) + LIFETIME_MAX_SECONDS + 3600),
    "the other kind": lambda claims: with_claims(typ=OTHER_KIND[claims["typ"]])(claims),
    **{f"kind: {kind!r}": with_claims(typ=kind) for kind in (None, "", "Access", "ACCESS", ["access", "refresh"], 1)},
    "jti: not a UUID": with_claims(jti="7"),
    "an additional claim": with_claims(admin=True),
    "an audience": with_claims(aud="somewhere else"),
    "not before tomorrow": with_claims(nbf=int(time.time()) + 86_400),
    "a foreign user": with_claims(user_id=str(UUID(int=7)), sub=str(UUID(int=7))),
    "a claim twice": lambda claims: signed(HEADER, json.dumps(claims)[:-1] + f', "exp": {claims["exp"]}}}'),
    "user_id twice": lambda claims: signed(HEADER, f'{{"user_id": "{UUID(int=7)}", ' + json.dumps(claims)[1:]),
    "payload: not JSON": lambda _: signed(HEADER, "claims"),
    "payload: not UTF-8": lambda _: signed(HEADER, b"\xff\xfe\xfd"),
    "payload: empty": lambda _: signed(HEADER, ""),
    "payload: null": lambda _: signed(HEADER, "null"),
    "payload: a list": lambda claims: signed(HEADER, json.dumps([claims])),
    "payload: deep": lambda _: signed(HEADER, "[" * 1200),
    "payload: deep in a claim": with_literal("jti", "[" * 1000),
    "another secret": lambda claims: signed(HEADER, json.dumps(claims), secret=OTHER_SECRET),
    "an empty secret": lambda claims: signed(HEADER, json.dumps(claims), secret=b""),
    "alg: none, no signature": lambda claims: f"{encoded(ALG_NONE)}.{encoded(json.dumps(claims))}.",
    "alg: None": with_header('{"alg":"None","typ":"JWT"}'),
    "alg: none, signed": with_header(ALG_NONE),
    "alg: HS384": with_header('{"alg":"HS384","typ":"JWT"}', hashlib.sha384),
    "alg: HS512": with_header('{"alg":"HS512","typ":"JWT"}', hashlib.sha512),
    "alg: HS256 in name alone": with_header(HEADER, hashlib.sha512),
    "alg: RS256": with_header('{"alg":"RS256","typ":"JWT"}'),
    "alg: null": with_header('{"alg":null,"typ":"JWT"}'),
    "alg: a list": with_header('{"alg":["HS256"],"typ":"JWT"}'),
    "alg: missing": with_header('{"typ":"JWT"}'),
    "crit: unknown": with_header('{"alg":"HS256","typ":"JWT","crit":["exp2"],"exp2":1}'),
    "crit: empty": with_header('{"alg":"HS256","typ":"JWT","crit":[]}'),
    "crit: b64": with_header('{"alg":"HS256","typ":"JWT","crit":["b64"],"b64":false}'),
    "a key id": with_header('{"alg":"HS256","typ":"JWT","kid":"../../dev/null"}'),
    "a key of its own": with_header('{"alg":"HS256","typ":"JWT","jwk":{"kty":"oct","k":"AAAA"}}'),
    "a key from elsewhere": with_header('{"alg":"HS256","typ":"JWT","jku":"https://evil.example/keys"}'),
    "compressed": with_header('{"alg":"HS256","typ":"JWT","zip":"DEF"}'),
    "typ: missing": with_header('{"alg":"HS256"}'),
    "typ: another": with_header('{"alg":"HS256","typ":"at+jwt"}'),
    "header: a list": with_header("[]"),
    "header: not JSON": with_header("HS256"),
    "header: empty": with_header(""),
    "no signature": segments_in_order(0, 1, ""),
    "no payload": segments_in_order(0, "", 2),
    "no header": segments_in_order("", 1, 2),
    "two segments": segments_in_order(0, 1),
    "four segments": segments_in_order(0, 1, 2, ""),
    "five segments, like a JWE": segments_in_order(0, 1, 2, 2, 2),
    "signature first": segments_in_order(2, 1, 0),
    "the header for a payload": segments_in_order(0, 0, 2),
    "padded": changed(lambda token: f"{token}="),
    "padded to the full": changed(lambda token: f"{token}=="),
    "a line break at the end": changed(lambda token: f"{token}\n"),
    "a space at the end": changed(lambda token: f"{token} "),
    "a space in it": changed(lambda token: token.replace(".", " .", 1)),
    "one character less": changed(lambda token: token[:-1]),
    "one character more": changed(lambda token: f"{token}A"),
    "a star in the signature": changed(lambda token: f"{token[:-5]}*{token[-5:]}"),
    "other base64": changed(lambda token: token.replace("-", "+").replace("_", "/") + "+"),
    "in capitals": changed(str.upper),
    "twice": changed(lambda token: f"{token}, {token}"),
    "in quotes": changed(lambda token: f'"{token}"'),
    "reversed": changed(lambda token: token[::-1]),
    "too long, though signed": with_claims(jti="7" * TOKEN_MAX_LENGTH),
    **{what: lambda _, text=text: text for what, text in ODD_TEXT.items()},  # type: ignore[misc]
}


WHITE_SPACE_AROUND_A_FIELD = {"a line break at the end", "a space at the end"}
"""It is not part of a header's value (RFC 9110, 5.5). In a JSON body it makes the token another one."""


def use_access_token(http: httpx2.Client, token: str) -> httpx2.Response:
    """A request with this access token, sent as bytes, because clients may send any bytes."""
    return http.get("/api/tasks", headers=[(b"Authorization", b"Bearer " + token.encode())])


def use_refresh_token(http: httpx2.Client, token: str) -> httpx2.Response:
    """A refresh with this token, cut to 32 KiB: a larger body would be 413."""
    return http.post("/api/auth/refresh", json={"refresh_token": token[: 32 * 1024]})


@pytest.mark.spec("FR-013", "FR-030", "SC-002", "EDGE-invalid-jwt-signature", "US1-6")
def test_every_forged_access_token_is_401(ada: Person) -> None:
    claims = claims_of(ada.auth["access_token"])
    assert use_access_token(ada.http, with_claims()(claims)).status_code == 200, "the forger can make a valid one"

    answers = {
        what: use_access_token(ada.http, forge(claims))
        for what, forge in FORGERIES.items()
        if what not in WHITE_SPACE_AROUND_A_FIELD
    }

    assert {what: answer.status_code for what, answer in answers.items() if answer.status_code != 401} == {}
    assert {answer.headers["WWW-Authenticate"] for answer in answers.values()} == {"Bearer"}
    assert len({answer.json()["detail"] for answer in answers.values()}) == 1, "an answer tells what was wrong"


@pytest.mark.spec("FR-011", "FR-030", "EDGE-invalid-jwt-signature")
def test_every_forged_refresh_token_is_401(ada: Person) -> None:
    claims = claims_of(ada.auth["refresh_token"])

    answers = {what: use_refresh_token(ada.http, forge(claims)) for what, forge in FORGERIES.items()}

    assert {what: answer.status_code for what, answer in answers.items() if answer.status_code != 401} == {}
    assert len({answer.json()["detail"] for answer in answers.values()}) == 1, "an answer tells what was wrong"
    assert use_refresh_token(ada.http, with_claims()(claims)).status_code == 200, "the forger can make a valid one"


@pytest.mark.spec("FR-013", "SC-003", "EDGE-invalid-jwt-signature")
@pytest.mark.parametrize("taken", [("sid",), ("user_id", "sub"), ("user_id",), ("sub",)])
def test_mixed_claims_of_two_people_are_401(ada: Person, ben: Person, taken: tuple[str, ...]) -> None:
    for token, use_token in (("access_token", use_access_token), ("refresh_token", use_refresh_token)):
        others = claims_of(ben.auth[token])

        mixed = with_claims(**{name: others[name] for name in taken})(claims_of(ada.auth[token]))

        assert use_token(ada.http, mixed).status_code == 401
    assert ada.tasks() == ben.tasks() == []


@pytest.mark.spec("FR-013", "EDGE-invalid-jwt-signature")
def test_a_token_ends_with_the_sign_in_that_its_sid_names(ada: Person) -> None:
    phone = ada.sign_in_again()
    crossed = with_claims(sid=claims_of(phone.auth["access_token"])["sid"])(claims_of(ada.auth["access_token"]))

    phone.post("/api/auth/signout")

    assert use_access_token(ada.http, crossed).status_code == 401


@pytest.mark.spec("EDGE-refresh-token-reuse", "EDGE-invalid-jwt-signature")
def test_a_signed_refresh_token_that_was_never_issued_ends_its_sign_in(ada: Person) -> None:
    invented = with_claims(jti=str(uuid4()))(claims_of(ada.auth["refresh_token"]))

    assert use_refresh_token(ada.http, invented).status_code == 401
    assert ada.get("/api/tasks").status_code == 401


@pytest.mark.spec("EDGE-invalid-jwt-signature")
def test_a_changed_last_character_of_the_signature_is_401(ada: Person) -> None:
    token = ada.auth["access_token"]
    others = set(string.printable) - {token[-1]} - set(string.whitespace)

    statuses = {last: use_access_token(ada.http, token[:-1] + last).status_code for last in others}

    assert set(statuses.values()) == {401}


@pytest.mark.spec("FR-013", "EDGE-invalid-jwt-signature")
def test_one_kind_of_token_is_not_accepted_as_the_other(ada: Person) -> None:
    assert use_access_token(ada.http, ada.auth["refresh_token"]).status_code == 401
    assert use_refresh_token(ada.http, ada.auth["access_token"]).status_code == 401
    assert ada.tasks() == []


@pytest.mark.spec("FR-037", "NFR-025", "FR-030")
@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "{token}", "Basic {token}", "Token {token}", "Bearer{token}", "Bearer: {token}"],
)
def test_a_token_is_accepted_only_with_the_bearer_scheme(ada: Person, header: str) -> None:
    answer = ada.http.get("/api/tasks", headers={"Authorization": header.format(token=ada.auth["access_token"])})

    assert answer.status_code == 401


@pytest.mark.spec("FR-037")
def test_a_token_in_the_query_or_in_a_cookie_is_401(ada: Person) -> None:
    token = ada.auth["access_token"]

    assert ada.http.get("/api/tasks", params={"access_token": token, "token": token}).status_code == 401
    assert ada.http.get("/api/tasks", headers={"Cookie": f"access_token={token}; token={token}"}).status_code == 401


@pytest.mark.spec("FR-037", "NFR-025")
def test_the_scheme_may_be_in_lower_case(ada: Person) -> None:  # RFC 9110, 11.1
    answer = ada.http.get("/api/tasks", headers={"Authorization": f"bearer {ada.auth['access_token']}"})

    assert answer.status_code == 200


@pytest.mark.spec("FR-030", "EDGE-invalid-jwt-signature")
@pytest.mark.parametrize("what", ["a megabyte", "a deep header", "a claim twice", "exp: null", "not ASCII"])
def test_a_forged_token_is_401_through_lambda_too(ada: Person, what: str, make_client: MakeClient) -> None:
    app = make_client(database_pool_size=0).app
    token = FORGERIES[what](claims_of(ada.auth["access_token"]))

    answer = invoke(app, "GET", "/api/tasks", headers={"authorization": f"Bearer {token.encode().decode('latin-1')}"})
    control = invoke(app, "GET", "/api/tasks", headers={"authorization": ada.headers["Authorization"]})

    assert answer["statusCode"] == 401
    assert control["statusCode"] == 200


@pytest.mark.spec("FR-007", "FR-009", "FR-010", "NFR-002")
@pytest.mark.parametrize(
    ("token", "kind", "lifetime"), [("access_token", "access", 900), ("refresh_token", "refresh", 604_800)]
)
def test_tokens_have_the_claims_of_the_contract(ada: Person, token: str, kind: str, lifetime: int) -> None:
    header, _, signature = ada.auth[token].split(".")
    claims = claims_of(ada.auth[token])

    assert json.loads(urlsafe_b64decode(header + "==")) == {"alg": "HS256", "typ": "JWT"}
    assert claims.keys() == {"user_id", "sub", "sid", "jti", "typ", "iat", "exp"}
    assert claims["user_id"] == claims["sub"] == ada.id
    assert claims["typ"] == kind
    assert claims["exp"] - claims["iat"] == lifetime
    assert abs(claims["iat"] - time.time()) < 60
    assert ada.auth[token] == signed(HEADER, urlsafe_b64decode(ada.auth[token].split(".")[1] + "==="))
    assert len(signature) == 43


@pytest.mark.spec("FR-007")
def test_no_two_tokens_are_alike(ada: Person) -> None:
    everything = [ada.auth["access_token"], ada.auth["refresh_token"]]
    for person in (ada, ada.sign_in_again(), ada.sign_in_again()):
        person.refresh()
        everything += [person.auth["access_token"], person.auth["refresh_token"]]

    assert len({claims_of(token)["jti"] for token in everything}) == len(everything)


@pytest.mark.spec("FR-009", "FR-010")
def test_lifetimes_are_settings(make_client: MakeClient) -> None:
    person = Person.sign_up(make_client(access_token_expire_minutes=1, refresh_token_expire_days=365))

    claims = [claims_of(person.auth[token]) for token in ("access_token", "refresh_token")]

    assert [each["exp"] - each["iat"] for each in claims] == [60, 365 * 86_400]
    assert person.auth["expires_in"] == 60
    assert person.tasks() == []
    assert person.refresh().status_code == 200


@pytest.mark.spec("FR-013")
def test_a_token_issued_by_a_fast_clock_is_valid(ada: Person) -> None:
    now = int(time.time())

    token = with_claims(iat=now + 30, exp=now + 930)(claims_of(ada.auth["access_token"]))

    assert use_access_token(ada.http, token).status_code == 200


tokens = Tokens(SECRET, OTHER_SECRET)
VALID = tokens.sign(
    Kind.ACCESS, user_id=uuid4(), sign_in_id=uuid4(), issued_at=int(time.time()), expires_at=int(time.time()) + 86_400
)
ANY_TEXT = st.text(st.characters(codec=None, categories=None))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=5,
)
CLAIM_NAMES = st.sampled_from(["user_id", "sub", "sid", "jti", "typ", "iat", "exp"])


@pytest.mark.spec("FR-013", "EDGE-invalid-jwt-signature")
@settings(max_examples=300, deadline=None, database=None)
@given(text=ANY_TEXT, kind=st.sampled_from(Kind))
@example(text="\ud800.\udfff.\ud800", kind=Kind.ACCESS)
@example(text="\0", kind=Kind.REFRESH)
def test_no_random_text_is_a_valid_token(text: str, kind: Kind) -> None:
    with pytest.raises(InvalidToken):
        tokens.verify(text, kind)


@pytest.mark.spec("FR-013", "EDGE-invalid-jwt-signature")
@settings(max_examples=300, deadline=None, database=None)
@given(start=st.integers(0, len(VALID)), length=st.integers(0, 3), inserted=ANY_TEXT)
def test_no_changed_token_is_valid(start: int, length: int, inserted: str) -> None:
    mutated = VALID[:start] + inserted + VALID[start + length :]
    assume(mutated != VALID)

    with pytest.raises(InvalidToken):
        tokens.verify(mutated, Kind.ACCESS)


@pytest.mark.spec("FR-013", "EDGE-invalid-jwt-signature")
@settings(max_examples=300, deadline=None, database=None)
@given(changes=st.dictionaries(CLAIM_NAMES | ANY_TEXT, JSON, min_size=1, max_size=3))
def test_signed_claims_are_valid_only_in_the_shape_that_we_write(changes: dict[str, Any]) -> None:
    token = signed(HEADER, json.dumps({**claims_of(VALID), **changes}))

    try:
        claims = tokens.verify(token, Kind.ACCESS)
    except InvalidToken:
        return

    assert claims.model_dump(mode="json") == {**claims_of(VALID), **changes}
    assert claims.exp > time.time()


@pytest.mark.spec("FR-008", "SC-015")
def test_both_secrets_verify_and_the_first_one_signs() -> None:
    claims = claims_of(VALID)

    for token in (signed(HEADER, json.dumps(claims)), signed(HEADER, json.dumps(claims), secret=OTHER_SECRET)):
        assert tokens.verify(token, Kind.ACCESS).model_dump(mode="json") == claims
    assert Tokens(SECRET).verify(VALID, Kind.ACCESS).model_dump(mode="json") == claims


@pytest.mark.spec("FR-008", "NFR-002")
@pytest.mark.parametrize(
    "secret",
    [
        '{"keys": [{"kty": "oct", "k": "AAAA"}]} and more',
        '{"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAA"}',
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB",
        "ünïcödé " * 8,
        " " * 32,
        "x" * 5000,
    ],
)
def test_the_key_is_the_bytes_of_the_secret_whatever_its_format(secret: str) -> None:
    user_id, sign_in_id, now = uuid4(), uuid4(), int(time.time())

    token = Tokens(secret).sign(Kind.ACCESS, user_id=user_id, sign_in_id=sign_in_id, issued_at=now, expires_at=now + 60)

    assert token == signed(HEADER, urlsafe_b64decode(token.split(".")[1] + "==="), secret=secret)
    assert Tokens(secret).verify(token, Kind.ACCESS).user_id == user_id
    with pytest.raises(InvalidToken):
        Tokens(SECRET).verify(token, Kind.ACCESS)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which every required variable is set."""
    monkeypatch.chdir("/")  # a folder without a .env file
    monkeypatch.setenv("DATABASE_URL", "postgresql://todo_api:pass@127.0.0.1/todo")
    monkeypatch.setenv("FRONTEND_URL", "http://localhost:3000")
    monkeypatch.setenv("BETTER_AUTH_SECRET", SECRET)
    return monkeypatch


@pytest.mark.spec("NFR-003", "SC-014")
@pytest.mark.parametrize("variable", ["BETTER_AUTH_SECRET", "BETTER_AUTH_SECRET_PREVIOUS"])
def test_a_key_under_32_characters_stops_the_start_and_is_not_shown(
    environment: pytest.MonkeyPatch, variable: str
) -> None:
    short = "31 characters of a good secret!"
    assert len(short) == 31
    environment.setenv(variable, short)

    with pytest.raises(ConfigurationError) as stopped:
        load_settings()

    assert variable in str(stopped.value)
    assert "32" in str(stopped.value)
    assert short not in str(stopped.value)


@pytest.mark.spec("NFR-003", "SC-014")
def test_a_key_of_32_characters_is_enough(environment: pytest.MonkeyPatch) -> None:
    enough = "32 characters of a better secret"
    assert len(enough) == 32
    environment.setenv("BETTER_AUTH_SECRET", enough)

    assert load_settings().better_auth_secret.get_secret_value() == enough


@pytest.mark.usefixtures("no_dotenv")
@pytest.mark.spec("NFR-003", "SC-014")
def test_an_unusable_secret_stops_the_process_with_one_line() -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(CHECKOUT),
        "DATABASE_URL": "postgresql://todo_api:pass@127.0.0.1/todo",
        "FRONTEND_URL": "http://localhost:3000",
        "BETTER_AUTH_SECRET": "too short",
    }

    ended = subprocess.run(
        [sys.executable, "-c", "import backend.main"], check=False, env=environment, capture_output=True, text=True
    )

    assert ended.returncode == 1
    [line] = (ended.stdout + ended.stderr).splitlines()
    assert "Configuration: BETTER_AUTH_SECRET" in line
    assert "too short" not in line


def test_the_secrets_are_not_in_what_debuggers_show() -> None:
    shown = repr(Tokens("a secret of this deployment", "the secret before it"))
    assert "secret of" not in shown
    assert "secret before" not in shown
