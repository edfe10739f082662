"""How a migration fails: with one line that says what to do, without a traceback and without a password."""

from collections.abc import Mapping, Sequence

from backend.migrations.difference import Difference
from backend.postgres import sqlstate
from backend.settings import ConfigurationError


class MigrationFailed(ConfigurationError):
    """A migration failed. The message is one line that says what to correct, without a password in it."""


def reason(error: BaseException) -> str:
    """What PostgreSQL, or the network, says."""
    cause = getattr(error, "orig", None) or error
    state = sqlstate(cause)
    return f"PostgreSQL says {state}: {cause.args[0]['M']}" if state else str(cause)


def not_mended(owner: str, left: Sequence[Difference], reasons: Mapping[Difference, str]) -> MigrationFailed:
    """The error for what the owner may not mend."""
    told = "; ".join(
        f"{each.sentence}{f' ({reasons[each]})' if each in reasons else ''}: {each.remedy}" for each in left
    )
    return MigrationFailed(f"{owner} cannot mend this, and users' data are not safe before it is mended. {told}")
