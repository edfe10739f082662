"""Rate limits that every Lambda instance shares: exact sliding windows in PostgreSQL (NFR-005).

A limit's row keeps the moments of its recent hits. Charging adds one under the row's lock, and only where there is
room; asking reads, and waits for nobody. Both are single statements, so several clients at once cannot slip through
together.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session

EXPIRED_ROWS_REMOVED_AT_ONCE = 10
"""More than a request can add, so that the table shrinks while traffic passes."""

FULL_WINDOWS = """
    select max(
        (select h from unnest(r.hits) h order by h desc offset l.hits - 1 limit 1)
            + make_interval(secs => :window) - clock_timestamp()
    ) as wait
    from unnest(cast(:keys as text[]), cast(:limits as int[])) as l(key, hits)
    join rate_limits r on r.key = l.key
    where (select count(*) from unnest(r.hits) h where h > clock_timestamp() - make_interval(secs => :window)) >= l.hits
"""
"""How long until each of these limits has room for one more; null where there is room now.
The hit that must leave the window is the limit's n-th newest."""

REMOVE_EXPIRED = f"""
    delete from rate_limits where key in (
        select key from rate_limits where expires_at < clock_timestamp() and key <> all(cast(:keys as text[]))
        order by expires_at limit {EXPIRED_ROWS_REMOVED_AT_ONCE} for update skip locked
    )
"""

CHARGE = text("""
    insert into rate_limits as r (key, hits, expires_at)
    select key, array[clock_timestamp()], clock_timestamp() + make_interval(secs => :window)
    from unnest(cast(:keys as text[])) as key
    order by key  -- two clients that lock several rows must lock them in the same order
    on conflict (key) do update set
        hits = array(
            select h from unnest(r.hits) h where h > clock_timestamp() - make_interval(secs => :window) order by h
        ) || clock_timestamp(),
        expires_at = excluded.expires_at
    where (select count(*) from unnest(r.hits) h where h > clock_timestamp() - make_interval(secs => :window))
        < (select l.hits from unnest(cast(:keys as text[]), cast(:limits as int[])) as l(key, hits) where l.key = r.key)
    returning key
""")


@dataclass(frozen=True)
class Limit:
    """So many hits in so many seconds, for each subject (an account, an address, …)."""

    name: str
    hits: int


@dataclass(frozen=True)
class Window:
    """Limits of one window's length that are charged together, or not at all."""

    seconds: int
    keys: tuple[str, ...]
    limits: tuple[int, ...]

    @property
    def parameters(self) -> Mapping[str, object]:
        """What the statements of this module take."""
        return {"window": self.seconds, "keys": list(self.keys), "limits": list(self.limits)}

    def charge(self, session: Session) -> bool:
        """Add a hit to every limit. False when one of them is full: then the caller undoes the transaction."""
        admitted = session.connection().execute(CHARGE, self.parameters).all()
        return len(admitted) == len(self.keys)


def window(secret: str, seconds: int, limits: Sequence[tuple[Limit, str]]) -> Window:
    """The window of these limits, each for its subject."""
    keys = tuple(_key(secret, limit, subject) for limit, subject in limits)
    return Window(seconds, keys, tuple(limit.hits for limit, _ in limits))


def network(address: str | None) -> str:
    """What counts as one address: an IPv4 address, or an IPv6 /64, because that is what one person is given."""
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
