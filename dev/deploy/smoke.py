"""Whether an API that was just deployed does what its frontend needs: `python -m dev.deploy.smoke URL ORIGIN`.

Asks only for what changes nothing, so that it may be run against production, and against `make start`.
"""

import sys
import time
from collections.abc import Callable

import httpx2

TIMEOUT_SECONDS = 35
"""API Gateway gives up after 30; what it says then is to be seen."""
ATTEMPTS = 3
PAUSE_SECONDS = 2.0
"""The first request may start the function and wake the database; 503 then asks to come back in two seconds."""
FOREIGN_ORIGIN = "https://not-your-frontend.invalid"


class Failed(Exception):
    """What an answer lacks, as the end of the sentence that names the check."""


def run(url: str, origin: str, say: Callable[[str], None], pause_seconds: float = PAUSE_SECONDS) -> bool:
    """Make every check, and say how each went.

    :param url: where the API is, without a path
    :param origin: one of the origins that its pages are called from
    :return: whether all is well
    """
    is_well = True
    with httpx2.Client(base_url=url.rstrip("/"), timeout=TIMEOUT_SECONDS) as http:
        for check in CHECKS:
            name = (check.__doc__ or "").strip()
            started = time.perf_counter()
            try:
                _try(lambda check=check: check(http, origin), pause_seconds)  # type: ignore[misc]
            except (Failed, httpx2.HTTPError) as error:
                is_well = False
                say(f"  FAILED  {name}: {str(error) or type(error).__name__}")
            else:
                say(f"  ok      {name} ({(time.perf_counter() - started) * 1000:.0f} ms)")
    return is_well


def _try(check: Callable[[], None], pause_seconds: float) -> None:
    for _ in range(ATTEMPTS - 1):
        try:
            return check()
        except (Failed, httpx2.HTTPError):
            time.sleep(pause_seconds)
    return check()


def says_what_it_is(http: httpx2.Client, _: str) -> None:
    """GET / says what this is"""
    body = _json(http.get("/"), status=200)
    if body.get("status") != "ok" or not body.get("version"):
        raise Failed(f"answered {body}")


def reaches_its_database(http: httpx2.Client, _: str) -> None:
    """GET /api/health reaches the database"""
    body = _json(http.get("/api/health"), status=200)
    if body != {"status": "ok"}:
        raise Failed(f"answered {body}")


def asks_to_sign_in(http: httpx2.Client, origin: str) -> None:
    """GET /api/tasks without a token is 401, in a shape that the frontend can show"""
    response = http.get("/api/tasks", headers={"Origin": origin})
    body = _json(response, status=401)
    if not isinstance(body.get("detail"), str):
        raise Failed(f"answered {body} in place of one sentence as `detail`")
    if response.headers.get("WWW-Authenticate") != "Bearer":
        raise Failed("the header WWW-Authenticate is missing")
    if response.headers.get("Access-Control-Allow-Origin") != origin:
        raise Failed(f"a page of {origin} cannot read the answer; is FrontendUrl right?")


def lets_its_frontend_call(http: httpx2.Client, origin: str) -> None:
    """A preflight of the frontend's origin is granted"""
    response = _preflight(http, origin)
    if not response.is_success:
        raise Failed(f"status {response.status_code}; is FrontendUrl right?")
    granted = {name: response.headers.get(f"Access-Control-Allow-{name}", "") for name in ("Origin", "Credentials")}
    if granted != {"Origin": origin, "Credentials": "true"}:
        raise Failed(f"answered {granted}; is FrontendUrl right?")
    for name, wanted in (("Methods", "PATCH"), ("Headers", "authorization"), ("Headers", "content-type")):
        if wanted.lower() not in response.headers.get(f"Access-Control-Allow-{name}", "").lower():
            raise Failed(f"{wanted} is not among the allowed {name.lower()}")


def lets_nobody_else_call(http: httpx2.Client, _: str) -> None:
    """A preflight of another origin is not granted"""
    granted = _preflight(http, FOREIGN_ORIGIN).headers.get("Access-Control-Allow-Origin")
    if granted is not None:
        raise Failed(f"{granted} may call")


CHECKS: tuple[Callable[[httpx2.Client, str], None], ...] = (
    says_what_it_is,
    reaches_its_database,
    asks_to_sign_in,
    lets_its_frontend_call,
    lets_nobody_else_call,
)


def _preflight(http: httpx2.Client, origin: str) -> httpx2.Response:
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,content-type"}
    return http.options("/api/tasks", headers={"Origin": origin, **asked})


def _json(response: httpx2.Response, *, status: int) -> dict[str, object]:
    if response.status_code != status:
        raise Failed(f"status {response.status_code} in place of {status}")
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Failed("the answer is not a JSON object")
    return body


def main(arguments: list[str]) -> int:
    """Check the API of the command line. Gives the exit code."""
    if len(arguments) != 2:
        print("Usage: python -m dev.deploy.smoke http://127.0.0.1:8000 http://localhost:3000", file=sys.stderr)
        return 2
    url, origin = arguments
    return 0 if run(url, origin, print) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
