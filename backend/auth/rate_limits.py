"""Rate limits that every Lambda instance shares: exact sliding windows in PostgreSQL (NFR-005).

A limit's row keeps the times of its recent hits. Charging adds a hit under the row's lock, if there is room. Checking
only reads, and waits for no lock. Each is a single statement, so concurrent requests cannot exceed a limit together.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EXPIRED_ROWS_REMOVED_AT_ONCE = 10
"""More than one request can add, so that the table shrinks under traffic."""

FULL_WINDOWS = """
    select max(
        (select h from unnest(r.hits) h order by h desc offset l.hits - 1 limit 1)
            + make_interval(secs => :window) - clock_timestamp()
    ) as wait
    from unnest(cast(:keys as text[]), cast(:limits as int[])) as l(key, hits)
    join rate_limits r on r.key = l.key
    where (select count(*) from unnest(r.hits) h where h > clock_timestamp() - make_interval(secs => :window)) >= l.hits
"""
"""How long until all of these limits have room for one more hit; null if they have room now.
A limit of n hits has room again when its n-th newest hit leaves the window."""

REMOVE_EXPIRED = f"""
    delete from rate_limits where key in (
        select key from rate_limits where expires_at < clock_timestamp() and key <> all(cast(:keys as text[]))
        order by expires_at limit {EXPIRED_ROWS_REMOVED_AT_ONCE} for update skip locked
    )
"""

CHARGE = """
    insert into rate_limits as r (key, hits, expires_at)
    select key, array[clock_timestamp()], clock_timestamp() + make_interval(secs => :window)
    from unnest(cast(:keys as text[])) as key
    where {condition}
    order by key  -- two clients that lock several rows must lock them in the same order
    on conflict (key) do update set
        hits = array(
            select h from unnest(r.hits) h where h > clock_timestamp() - make_interval(secs => :window) order by h
        ) || clock_timestamp(),
        expires_at = excluded.expires_at
    where (select count(*) from unnest(r.hits) h where h > clock_timestamp() - make_interval(secs => :window))
        < (select l.hits from unnest(cast(:keys as text[]), cast(:limits as int[])) as l(key, hits) where l.key = r.key)
    returning key
"""
"""Adds a hit to each of these limits that has room. `{condition}` says whether to charge at all."""
IS_CHARGED = "(select count(*) from charged) = cardinality(cast(:keys as text[]))"
"""Whether each of the limits had room, where `charged` is `CHARGE`."""


@dataclass(frozen=True)
class Limit:
    """How many hits a window may have, for each subject (an account, an address, …)."""

    name: str
    hits: int


@dataclass(frozen=True)
class Window:
    """Limits with the same window length that are charged together."""

    seconds: int
    keys: tuple[str, ...]
    limits: tuple[int, ...]

    @property
    def parameters(self) -> Mapping[str, object]:
        """The parameters of the statements in this module."""
        return {"window": self.seconds, "keys": list(self.keys), "limits": list(self.limits)}


def window(secret: str, seconds: int, limits: Sequence[tuple[Limit, str]]) -> Window:
    """The window of these limits, each with its subject.

    :param secret: keys the HMAC that is stored in place of the subject
    :param seconds: the window's length
    """
    keys = tuple(_key(secret, limit, subject) for limit, subject in limits)
    return Window(seconds, keys, tuple(limit.hits for limit, _ in limits))


def network(address: str | None) -> str:
    """The network that a limit counts as one address: an IPv4 address, or an IPv6 /64, which one person is given.

    Any other text, and None, are `unknown`.
    """
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed), 64), strict=False))
    return str(parsed)


def _key(secret: str, limit: Limit, subject: str) -> str:
    return hmac.new(secret.encode(), f"{limit.name}\0{subject}".encode(), hashlib.sha256).hexdigest()
