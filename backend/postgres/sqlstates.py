"""Every SQLSTATE that this project acts on: the five characters by which PostgreSQL names an error.

A group has whole codes, and beginnings of codes that stand for all codes that start so.
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

DUPLICATE_OBJECT = "42710"
UNKNOWN_DATABASE = "3D000"
UNIQUE_VIOLATION = "23505"
FOREIGN_KEY_VIOLATION = "23503"
CHECK_VIOLATION = "23514"
NOT_NULL_VIOLATION = "23502"

CONNECTION_EXCEPTION = "08"
PROTOCOL_VIOLATION = "08P01"
"""PgBouncer's only SQLSTATE: for being full, for a wrong password, for a server connection that it lost."""
QUERY_CANCELED = "57014"

PASSING_AT_LOGIN = ("53300", "57P03", "XX000")
"""Full, starting, or Neon's proxy for whatever reason: trying the login once more may help."""
OPERATOR_AT_LOGIN = ("28", "3D", "42", PROTOCOL_VIOLATION)
"""A wrong password, database or right: an operator must act."""
CONNECTION_ENDED = ("57P0", "08", "25P03", "25P04")
"""The server has ended the connection, which is of no further use."""
SERIALIZATION_CONFLICTS = ("40001", "40P01")
"""PostgreSQL undid the transaction because of another one. Running it again is all it takes."""
ROLE_EXISTS = (DUPLICATE_OBJECT, UNIQUE_VIOLATION)
"""Another session created the role first: before, or at the same moment."""
CONFLICTS = (UNIQUE_VIOLATION, FOREIGN_KEY_VIOLATION)
"""The request contradicts what is stored."""
UNSTORABLE = ("22", CHECK_VIOLATION, NOT_NULL_VIOLATION)
"""The values cannot be stored."""
OVERLOADED = ("53", "55", "57", "25P03", "25P04", "40")
"""Full, starting, stopping, timed out or out of disk. An operator need not act unless it lasts."""
MISCONFIGURED = ("28", "3D", "08", "42", "25006", "58")
"""A wrong password or database, a schema of another version, a missing right, a broken disk. An operator must act."""


def sqlstate(error: BaseException | None) -> str | None:
    """The error's SQLSTATE. None where the server did not say anything."""
    fields = error.args[0] if error is not None and error.args else None
    return fields.get("C") if isinstance(fields, dict) else None
