"""What Neon's proxy and PgBouncer mean by their errors. Each has one SQLSTATE for everything, so the sentence decides.

Neon: every error of the proxy itself is XX000. Read in its source, whose files named below have the sentences:
https://github.com/neondatabase/neon/tree/6a35a3e9/proxy/src. An unknown one is taken for a passing one. PgBouncer:
every error of its own is 08P01 (`disconnect_client`, 1.18 to 1.25):
https://github.com/pgbouncer/pgbouncer/blob/pgbouncer_1_25_0/src/objects.c
"""

NEON = "XX000"
NEON_PASSING = {
    "Couldn't connect to compute node": "the compute is starting or unreachable",  # compute/mod.rs
    "Control plane request failed": "the control plane does not answer",  # control_plane/errors.rs
    "Failed to acquire permit": "too many logins at once",  # control_plane/errors.rs
    "Too many connections": "too many logins at once",  # control_plane/errors.rs, auth/mod.rs
    "Authentication timed out": "the login took too long",  # auth/mod.rs
}
NEON_FOR_OPERATORS = {
    "password authentication failed": "wrong password",  # auth/mod.rs
    "Control plane request failed: endpoint cannot be found": "no such endpoint",  # control_plane/messages.rs
    "Control plane request failed: endpoint is disabled": "the endpoint is disabled",  # control_plane/messages.rs
    "Control plane request failed: endpoint is temporarily unavailable": "maintenance or a quota",  # the same file
    "This IP address": "the address is not on the allow list",  # auth/mod.rs
    "This connection is trying to access this endpoint from a blocked network": "blocked network",  # auth/mod.rs
    "This VPC endpoint": "the VPC endpoint is not allowed",  # auth/mod.rs
    "VPC endpoint ID is not specified": "the VPC endpoint is not allowed",  # auth/mod.rs
    "Endpoint ID is not specified": "the host name does not tell the endpoint (SNI)",  # auth/mod.rs
    'database "': "no such database",  # PostgreSQL's and PgBouncer's own sentences, handed on by compute/mod.rs
    "no such database": "no such database",
    "permission denied for database": "the login lacks a right",
    'role "': "the login lacks a right",
    "Unsupported authentication method": "the login's method is not supported",  # auth/mod.rs
}
QUOTA = ("quota", "exceeded")
"""The control plane writes its own sentences about quotas (control_plane/messages.rs, `user_facing_message`)."""

PGBOUNCER = "08P01"
PGBOUNCER_NOT_SENT = (
    "query_wait_timeout",
    "pgbouncer cannot connect to server",
    "server login has been failing",  # PostgreSQL is away, and no server connection is left
    "no more connections allowed",
)
"""Beginnings of the sentences that PgBouncer says before it has given a flight to PostgreSQL."""


def neon_needs_operator(sentence: str) -> bool:
    """Whether waiting does not help: password, quota, allow list, a missing or disabled endpoint."""
    return sentence.startswith(tuple(NEON_FOR_OPERATORS)) or any(word in sentence.lower() for word in QUOTA)


def neon_reason(sentence: str) -> str:
    """The cause in our words. Neon's own sentence may name a user, an address or an endpoint."""
    if not sentence.startswith(tuple(NEON_FOR_OPERATORS)) and neon_needs_operator(sentence):
        return "a quota is used up"
    known = (words for start, words in (NEON_FOR_OPERATORS | NEON_PASSING).items() if sentence.startswith(start))
    return next(known, "unknown cause")


def was_never_sent(sqlstate: str, sentence: str) -> bool:
    """Whether PgBouncer says that PostgreSQL has not seen the flight."""
    return sqlstate == PGBOUNCER and sentence.startswith(PGBOUNCER_NOT_SENT)
