"""Something in the database that is not as `rights.py` has it, and the SQL that mends it."""

from dataclasses import dataclass

from sqlalchemy import Connection

from backend.postgres.dialect import Dialect

quote = Dialect().identifier_preparer.quote
"""A name as SQL, in double quotes where it needs them."""


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it must be.

    :ivar sentence: what is wrong, such as `the role todo_user has BYPASSRLS`
    :ivar mending: the SQL that mends it, in one transaction; empty where only a person can decide
    :ivar who: who may run that SQL, when the owner may not
    :ivar is_new: it is missing because what it belongs to has just been made
    :ivar is_advice: the data are safe from other users all the same, so a migration does not fail for it
    """

    sentence: str
    mending: tuple[str, ...] = ()
    who: str = "a superuser"
    is_new: bool = False
    is_advice: bool = False

    @property
    def remedy(self) -> str:
        """What a person does about it."""
        return f"run as {self.who}: {'; '.join(self.mending)}" if self.mending else "undo that as the role that did it"


@dataclass(frozen=True)
class Subject:
    """What is compared: the database that a connection is to, and the application's login.

    :ivar login: the login's name; None where the application uses the owner's
    :ivar owner: the name of the role that migrates
    :ivar is_superuser: whether that role may do everything
    """

    connection: Connection
    login: str | None
    owner: str
    is_superuser: bool
    database: str

    @classmethod
    def of(cls, connection: Connection, login: str | None) -> "Subject":
        """Ask the database who and where we are."""
        owner, is_superuser, database = connection.exec_driver_sql(
            "select current_user, rolsuper, current_database() from pg_roles where rolname = current_user"
        ).one()
        return cls(connection, login, owner, is_superuser, database)
