"""Calculates from measured figures what a rate of requests needs, and which limit it reaches first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.measure import Section

RATES = (100, 1_000, 10_000)

# From template.yaml, as it is deployed without parameters.
THROTTLE_RATE = 500
# AWS's default quotas. A new account can have a concurrency of 10 until it asks for more.
CONCURRENCY_QUOTA, CONCURRENCY_OF_A_NEW_ACCOUNT = 1_000, 10
GATEWAY_QUOTA = 10_000
# Neon's documentation of connection pooling and of compute sizes: check it.
POOLER_CLIENTS = 10_000
MAX_CONNECTIONS_OF_SMALLEST = 104
"""Of a compute of 0.25 CU, which is a quarter of a processor and 1 GB."""
POOL_SHARE = 0.9
SMALLEST_COMPUTE, LARGEST_AUTOSCALED = 0.25, 16
COMMIT_SECONDS = 0.005
"""Assumed: how long a commit waits on Neon until other machines have the log."""
WRITING_SHARE = 0.5
"""The share of requests that write, in the measured mix."""
ONE_SHARE = 0.01
"""The assumed share of all requests that the busiest account makes by itself."""


@dataclass(frozen=True)
class Measured:
    """What the calculation starts from.

    :ivar seconds: the duration of a request, with the network
    :ivar database_cpu_seconds: PostgreSQL's CPU time for a request
    """

    seconds: float
    database_cpu_seconds: float


@dataclass(frozen=True)
class Limit:
    """Something that a rate of requests uses up.

    :ivar need: how much of it so many requests a second need
    :ivar available: how much there is at first
    :ivar lever: what to change when it is not enough
    """

    name: str
    need: Callable[[float], float]
    available: float
    source: str
    lever: str

    def load(self, rate: float) -> float:
        """The share that is used: above 1, this limit gives way."""
        return self.need(rate) / self.available


def limits(measured: Measured) -> Sequence[Limit]:
    """All limits, in the order in which a request meets them."""
    held = measured.database_cpu_seconds + WRITING_SHARE * COMMIT_SECONDS
    quota, neon = "AWS, per account and region", "Neon's documentation, check"

    def running(rate: float) -> float:
        return rate * measured.seconds

    def computing(rate: float) -> float:
        return rate * measured.database_cpu_seconds

    return (
        Limit(
            name="API Gateway's throttling, requests/s",
            need=lambda rate: rate,
            available=THROTTLE_RATE,
            source="`ThrottleRate` in template.yaml",
            lever="`ThrottleRate` and `ThrottleBurst`. Above it clients get 429, which costs no function",
        ),
        Limit(
            name="API Gateway's quota, requests/s",
            need=lambda rate: rate,
            available=GATEWAY_QUOTA,
            source=quota,
            lever="ask AWS for more, or a second region",
        ),
        Limit(
            name="Lambda's concurrency",
            need=running,
            available=CONCURRENCY_QUOTA,
            source=f"{quota}; a new account can have {CONCURRENCY_OF_A_NEW_ACCOUNT}",
            lever="ask AWS for more. `ReservedConcurrency` keeps a share for it, and caps what reaches the database",
        ),
        Limit(
            name="client connections of Neon's pooler",
            need=running,
            available=POOLER_CLIENTS,
            source=neon,
            lever="it is one for each running request: cap them with `ReservedConcurrency`",
        ),
        Limit(
            name="server connections of Neon's pooler",
            need=lambda rate: rate * held,
            available=POOL_SHARE * MAX_CONNECTIONS_OF_SMALLEST,
            source=f"{POOL_SHARE:.0%} of {MAX_CONNECTIONS_OF_SMALLEST}, for 0.25 CU; {neon}",
            lever="a bigger compute: `max_connections` grows with its largest size",
        ),
        Limit(
            name="processors of the smallest compute",
            need=computing,
            available=SMALLEST_COMPUTE,
            source="0.25 CU",
            lever="autoscaling: raise the compute's largest size",
        ),
        Limit(
            name="processors of the largest autoscaled compute",
            need=computing,
            available=LARGEST_AUTOSCALED,
            source=f"16 CU; {neon}",
            lever="read replicas for lists, which needs a change in the code",
        ),
        Limit(
            name=f"creations of one account that makes {ONE_SHARE:.0%} of all requests/s",
            need=lambda rate: rate * ONE_SHARE,
            available=1 / COMMIT_SECONDS,
            source=f"one after the other, {COMMIT_SECONDS * 1000:g} ms each (assumed)",
            lever="none is needed: such an account waits only for itself",
        ),
    )


def first_to_give_way(measured: Measured, rate: float) -> Limit | None:
    """The limit that a rising rate reaches first, if this rate exceeds one. All needs grow with the rate alike."""
    fullest = max(limits(measured), key=lambda each: each.load(rate))
    return fullest if fullest.load(rate) > 1 else None


def section(measured: Measured) -> Section:
    """The table of needs, and what gives way."""
    sentences = []
    for rate in RATES:
        given_way = [each for each in limits(measured) if each.load(rate) > 1]
        if first := first_to_give_way(measured, rate):
            names = "; ".join(f"{each.name} ({each.load(rate):.1f} ×)" for each in given_way)
            sentences.append(f"- **{rate:,}/s**: {names}. First, as the rate rises: {first.name}.")
        else:
            sentences.append(f"- **{rate:,}/s**: nothing.")
    return Section(
        "What gives way first",
        f"Calculated: rate × {measured.seconds * 1000:.1f} ms (duration with the assumed network) gives the requests"
        f" that run at once, rate × {measured.database_cpu_seconds * 1000:.2f} ms (PostgreSQL's CPU time on this"
        f" machine) the processors. A writing request also holds its server connection for {COMMIT_SECONDS * 1000:g} ms"
        " of commit (assumed). A processor of Neon's is another one than this machine's: take the figures as orders of"
        " magnitude. Lambda starts at most 1,000 more instances of a function in ten seconds; until then requests wait"
        " or get 503."
        " Sign-ups and sign-ins are throttled to 100 a second each, because a password hash takes a whole processor for"
        " more than a tenth of a second.\n\nWhat is more than there is, at each rate:\n\n" + "\n".join(sentences),
        ("limit", *(f"at {rate:,}/s" for rate in RATES), "there is", "says", "lever"),
        [
            (each.name, *(_cell(each, rate) for rate in RATES), f"{each.available:g}", each.source, each.lever)
            for each in limits(measured)
        ],
    )


def _cell(limit: Limit, rate: float) -> str:
    need = limit.need(rate)
    text = f"{need:,.0f}" if need >= 10 else f"{need:.2g}"
    return f"**{text}**" if limit.load(rate) > 1 else text
