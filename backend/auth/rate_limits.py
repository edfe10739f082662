"""Rate limits that every Lambda instance shares: exact sliding windows in PostgreSQL (NFR-005).

A limit's row keeps the times of its recent hits. Charging adds a hit under the row's lock, if there is room. Checking
only reads, and waits for no lock. Each is a single statement, so concurrent requests cannot exceed a limit together.

The limit on an account's guesses does not apply to a network from which the account has signed in lately. Otherwise
strangers could keep the account's owner from signing in. Such a network has a row without hits.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.postgres import Check

EXPIRED_ROWS_REMOVED_AT_ONCE = 10
"""More than one request can add, so that the table shrinks under traffic."""
KNOWN_NETWORK_DAYS = 30
"""For how long an account knows a network after a sign-in from there."""
IPV6_SHARED_PREFIX = 56
IPV6_SHARED_FACTOR = 4
"""One home is often given an IPv6 /56, so a limit per address applies to it as well, this many times as high."""

APPLIED_LIMITS = """
    select key, hits from unnest(cast(:keys as text[]), cast(:limits as int[])) as l(key, hits)
    where key is distinct from cast(:waived_key as text) or not exists (
        select from rate_limits where key = cast(:known_key as text) and expires_at > clock_timestamp()
    )
"""
"""The limits that apply. All statements below that name `applied` mean this."""

FULL_WINDOWS = """
    select max(
        (select h from unnest(r.hits) h order by h desc offset applied.hits - 1 limit 1)
            + make_interval(secs => :window) - clock_timestamp()
    ) as wait
    from applied join rate_limits r on r.key = applied.key
    where applied.hits <= (
        select count(*) from unnest(r.hits) h where h > clock_timestamp() - make_interval(secs => :window)
    )
"""
"""How long until all of these limits have room for one more hit; null if they have room now.
A limit of n hits has room again when its n-th newest hit leaves the window."""

CHARGE = """
    insert into rate_limits as r (key, hits, expires_at)
    select key, array[clock_timestamp()], clock_timestamp() + make_interval(secs => :window)
    from applied
    where {condition}
    order by key  -- two clients that lock several rows must lock them in the same order
    on conflict (key) do update set
        hits = array(
            select h from unnest(r.hits) h where h > clock_timestamp() - make_interval(secs => :window) order by h
        ) || clock_timestamp(),
        expires_at = excluded.expires_at
    where (select count(*) from unnest(r.hits) h where h > clock_timestamp() - make_interval(secs => :window))
        < (select applied.hits from applied where applied.key = r.key)
    returning key
"""
"""Adds a hit to each of these limits that has room. `{condition}` says whether to charge at all."""
IS_CHARGED = "(select count(*) from charged) = (select count(*) from applied)"
"""Whether each of the limits had room, where `charged` is `CHARGE`."""

TAKE_TURN = """
    select case when cast($1 as boolean)
        then cast(pg_advisory_xact_lock_shared(turn) as text)
        else cast(pg_advisory_xact_lock(turn) as text)
    end
    from (select hashtextextended(key, 0) as turn from unnest(string_to_array($2, ',')) key order by 1) turns
"""
"""Goes in front of a decision, as a statement of its own: the decision then sees every charge that came before it.

Otherwise the right one of many guesses that come together would be let in, because the others are not committed yet.
Its parameters are whether the password is right, and the limits' keys with commas. Right passwords wait only for wrong
ones. All lock in the same order."""

REMEMBER_NETWORK = f"""
    insert into rate_limits (key, hits, expires_at)
    select cast(:known_key as text), '{{}}', clock_timestamp() + make_interval(days => {KNOWN_NETWORK_DAYS})
    from account
    where not exists (  -- it need not be written, and its row not be locked, more than once a day
        select from rate_limits where key = cast(:known_key as text)
            and expires_at > clock_timestamp() + make_interval(days => {KNOWN_NETWORK_DAYS - 1})
    )
    on conflict (key) do update set expires_at = excluded.expires_at
"""
"""Makes the network known to the account that has signed in, where `account` is that account or no row."""

REMOVE_EXPIRED = f"""
    delete from rate_limits where key in (
        select key from rate_limits
        where expires_at < statement_timestamp() and key <> all(cast(:keys as text[]) || cast(:known_key as text))
        order by expires_at limit {EXPIRED_ROWS_REMOVED_AT_ONCE} for update skip locked
    )
"""
"""Removes a few rows that have expired, but none that the statement around it may write.

`statement_timestamp()` is the same for all rows, so the index gives only what has expired. With `clock_timestamp()`,
which is asked for each row, every row would be read when none has expired."""


@dataclass(frozen=True)
class Limit:
    """How many hits a window may have for one subject (an account, an address, …)."""

    name: str
    subject: str
    hits: int


@dataclass(frozen=True)
class Window:
    """Limits with the same window length that are charged together.

    `waived_key` is the one that does not apply if there is a row with `known_key`.
    """

    seconds: int
    keys: tuple[str, ...]
    limits: tuple[int, ...]
    waived_key: str | None
    known_key: str | None

    def turn(self, *, is_right: bool) -> Check:
        """`TAKE_TURN` for a decision on these limits."""
        return Check(TAKE_TURN, (str(is_right), ",".join(self.keys)))

    @property
    def parameters(self) -> Mapping[str, object]:
        """The parameters of the statements in this module."""
        return {
            "window": self.seconds,
            "keys": list(self.keys),
            "limits": list(self.limits),
            "waived_key": self.waived_key,
            "known_key": self.known_key,
        }


def window(
    secret: str, seconds: int, limits: Sequence[Limit], *, waived: Limit | None = None, known: str | None = None
) -> Window:
    """The window of these limits.

    :param secret: keys the HMAC that is stored in place of the subject
    :param seconds: the window's length
    :param waived: a further limit, which does not apply where `known` is remembered
    :param known: an account together with a network; `REMEMBER_NETWORK` remembers it
    """
    applied = (*limits, waived) if waived else tuple(limits)
    return Window(
        seconds,
        keys=tuple(_key(secret, limit.name, limit.subject) for limit in applied),
        limits=tuple(limit.hits for limit in applied),
        waived_key=_key(secret, waived.name, waived.subject) if waived else None,
        known_key=_key(secret, "known network", known) if known else None,
    )


def limits_per_address(name: str, address: str | None, hits: int) -> list[Limit]:
    """The limit of an address, and for IPv6 the one of the larger network around it."""
    limits = [Limit(f"{name} per address", network(address), hits)]
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        shared = str(ipaddress.ip_network((int(parsed), IPV6_SHARED_PREFIX), strict=False))
        limits.append(Limit(f"{name} per network", shared, IPV6_SHARED_FACTOR * hits))
    return limits


def network(address: str | None) -> str:
    """The network that a limit counts as one address: an IPv4 address, or an IPv6 /64, which one person is given.

    Any other text, and None, are `unknown`.
    """
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed), 64), strict=False))
    return str(parsed or "unknown")


def _parsed(address: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address. An IPv4 address in the form of an IPv6 one is the IPv4 address."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, ipaddress.IPv6Address) else parsed


def _key(secret: str, name: str, subject: str) -> str:
    return hmac.new(secret.encode(), f"{name}\0{subject}".encode(), hashlib.sha256).hexdigest()
