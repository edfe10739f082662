"""The smoke test: `python -m dev.deploy.smoke URL ORIGIN` checks that an API does what its frontend needs.

It only sends requests that change nothing, so it can be run against production, and against `make start`.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

import httpx2
from socksio.exceptions import SOCKSError

TIMEOUT_SECONDS = 35
"""More than the 30 seconds of API Gateway, so that its own error is reported."""
ATTEMPTS = 3
PAUSE_SECONDS = 2.0
"""The first request may start the function and wake the database. A 503 then has `Retry-After: 2`."""
FOREIGN_ORIGIN = "https://not-your-frontend.invalid"


class CheckFailed(Exception):
    """An answer is not as it should be. The text says how; it is printed after the name of the check."""


FAILURES = (CheckFailed, httpx2.HTTPError, SOCKSError)  # httpx2 passes on what a proxy that is none makes socksio raise


@dataclass(frozen=True)
class Expected:
    """What the API is compared with."""

    origin: str
    version: str | None


def run(
    url: str,
    origin: str,
    report: Callable[[str], None],
    *,
    version: str | None = None,
    pause_seconds: float = PAUSE_SECONDS,
) -> bool:
    """Run every check.

    :param url: the API's URL, without a path
    :param origin: one of the frontend's origins
    :param report: called with one line for each check
    :param version: the version that must answer; None for any
    :return: whether every check passed
    """
    all_passed = True
    expected = Expected(origin, version)
    try:
        client = _client(url)
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        report(f"  FAILED  the proxy of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY cannot be used: {error}")
        return False
    with client as http:
        for check in CHECKS:
            name = (check.__doc__ or "").strip()
            started = time.perf_counter()
            try:
                _try(lambda check=check: check(http, expected), pause_seconds)  # type: ignore[misc]
            except FAILURES as error:
                all_passed = False
                report(f"  FAILED  {name}: {str(error) or type(error).__name__}")
            else:
                report(f"  ok      {name} ({(time.perf_counter() - started) * 1000:.0f} ms)")
    return all_passed


def _client(url: str) -> httpx2.Client:
    """A client that uses the environment's proxy, except for this machine, which no proxy reaches."""
    host = httpx2.URL(url).host
    is_local = host == "localhost" or host.endswith(".localhost") or _is_loopback(host)
    return httpx2.Client(base_url=url.rstrip("/"), timeout=TIMEOUT_SECONDS, trust_env=not is_local)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _try(check: Callable[[], None], pause_seconds: float) -> None:
    for _ in range(ATTEMPTS - 1):
        try:
            return check()
        except FAILURES:
            time.sleep(pause_seconds)
    return check()


def describes_itself(http: httpx2.Client, expected: Expected) -> None:
    """GET / gives name and version"""
    body = _json(http.get("/"), status=200)
    if body.get("status") != "ok" or not body.get("version"):
        raise CheckFailed(f"answered {body}")
    if expected.version not in (None, body["version"]):
        raise CheckFailed(f"version {body['version']} answers in place of {expected.version}")


def reaches_its_database(http: httpx2.Client, _: Expected) -> None:
    """GET /api/health reaches the database"""
    body = _json(http.get("/api/health"), status=200)
    if body != {"status": "ok"}:
        raise CheckFailed(f"answered {body}")


def requires_a_sign_in(http: httpx2.Client, expected: Expected) -> None:
    """GET /api/tasks without a token is 401, with a `detail` that the frontend can show"""
    origin = expected.origin
    response = http.get("/api/tasks", headers={"Origin": origin})
    body = _json(response, status=401)
    if not isinstance(body.get("detail"), str):
        raise CheckFailed(f"answered {body} in place of one sentence as `detail`")
    if response.headers.get("WWW-Authenticate") != "Bearer":
        raise CheckFailed("the header WWW-Authenticate is missing")
    if response.headers.get("Access-Control-Allow-Origin") != origin:
        raise CheckFailed(f"a page of {origin} cannot read the answer; is FrontendUrl right?")


def allows_its_frontend(http: httpx2.Client, expected: Expected) -> None:
    """A preflight from the frontend's origin is allowed"""
    origin = expected.origin
    response = _preflight(http, origin)
    if not response.is_success:
        raise CheckFailed(f"status {response.status_code}; is FrontendUrl right?")
    allowed = {name: response.headers.get(f"Access-Control-Allow-{name}", "") for name in ("Origin", "Credentials")}
    if allowed != {"Origin": origin, "Credentials": "true"}:
        raise CheckFailed(f"answered {allowed}; is FrontendUrl right?")
    for name, needed in (("Methods", "PATCH"), ("Headers", "authorization"), ("Headers", "content-type")):
        if needed.lower() not in response.headers.get(f"Access-Control-Allow-{name}", "").lower():
            raise CheckFailed(f"{needed} is not among the allowed {name.lower()}")


def allows_no_other_origin(http: httpx2.Client, _: Expected) -> None:
    """A preflight from another origin is not allowed"""
    allowed = _preflight(http, FOREIGN_ORIGIN).headers.get("Access-Control-Allow-Origin")
    if allowed is not None:
        raise CheckFailed(f"{allowed} may call")


CHECKS: tuple[Callable[[httpx2.Client, Expected], None], ...] = (
    describes_itself,
    reaches_its_database,
    requires_a_sign_in,
    allows_its_frontend,
    allows_no_other_origin,
)


def _preflight(http: httpx2.Client, origin: str) -> httpx2.Response:
    requested = {
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return http.options("/api/tasks", headers={"Origin": origin, **requested})


def _json(response: httpx2.Response, *, status: int) -> dict[str, object]:
    if response.status_code != status:
        raise CheckFailed(f"status {response.status_code} in place of {status}")
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise CheckFailed("the answer is not a JSON object")
    return body


def main(arguments: list[str]) -> int:
    """Check the API at the URL of the command line. Returns the exit code."""
    if len(arguments) != 2:
        print("Usage: python -m dev.deploy.smoke http://127.0.0.1:8000 http://localhost:3000", file=sys.stderr)
        return 2
    url, origin = arguments
    return 0 if run(url, origin, print) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
