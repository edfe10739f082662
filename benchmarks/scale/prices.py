"""What AWS asks for, as its price lists of us-east-1 say. Check every number: prices change."""

from dataclasses import dataclass

LAMBDA_PER_MILLION = 0.20
LAMBDA_PER_GIGABYTE_SECOND = 0.0000166667
"""x86_64."""
HTTP_API_PER_MILLION = 1.00
LOG_PER_GIGABYTE = 0.50
"""Ingestion by CloudWatch Logs."""
TRANSFER_PER_GIGABYTE = 0.09
"""Out to the internet."""
MEMORY_MEGABYTES = 1769
"""`MemorySize` of template.yaml."""
NETWORK_SECONDS = 0.001
"""The assumed round-trip time between the function and Neon, in one region."""
MILLION = 1_000_000


@dataclass(frozen=True)
class Request:
    """What a request uses.

    :ivar seconds: its duration without a network
    :ivar round_trips: how often it waits for the network to the database
    """

    seconds: float
    round_trips: float
    log_bytes: float
    answer_bytes: float

    @property
    def billed_seconds(self) -> float:
        """Its duration with the network's delay."""
        return self.seconds + self.round_trips * NETWORK_SECONDS

    @property
    def explanation(self) -> str:
        """How `billed_seconds` comes about."""
        network = f"{self.round_trips:g} round trips of {NETWORK_SECONDS * 1000:g} ms (assumed)"
        return f"{self.seconds * 1000:.1f} ms (measured) + {network}"


def dollars_per_million(request: Request) -> dict[str, float]:
    """What a million such requests cost, by what is paid for."""
    gigabyte_seconds = MILLION * request.billed_seconds * MEMORY_MEGABYTES / 1024
    return {
        "Lambda, requests": LAMBDA_PER_MILLION,
        "Lambda, duration": gigabyte_seconds * LAMBDA_PER_GIGABYTE_SECOND,
        "HTTP API": HTTP_API_PER_MILLION,
        "CloudWatch Logs": MILLION * request.log_bytes / 1e9 * LOG_PER_GIGABYTE,
        "data transfer out": MILLION * request.answer_bytes / 1e9 * TRANSFER_PER_GIGABYTE,
    }
