"""Who owns what: the tables belong to the role that migrates, and nothing to the two roles or the login."""

from collections.abc import Iterator

from sqlalchemy import text

from backend.migrations.difference import Difference, Subject, quote
from backend.migrations.rights import ROLES, TABLES

OWNED = text("""
    select rolname, type, identity
    from pg_shdepend
    join pg_roles on pg_roles.oid = refobjid
    join pg_database here on datname = current_database()
    cross join pg_identify_object(classid, objid, objsubid)
    where refclassid = 'pg_authid'::regclass and deptype = 'o' and rolname = any(:roles)
        and (dbid = here.oid or (classid, objid) = ('pg_database'::regclass, here.oid))
    order by 1, 2, 3
""")
"""What the roles own in this database, and whether they own the database itself."""
FOREIGN = text("""
    select relname, relowner::regrole::text from pg_class
    where relnamespace = 'public'::regnamespace and relname = any(:tables)
        and not pg_has_role(current_user, relowner, 'usage') and relowner <> all(
            select oid from pg_roles where rolname = any(:roles)
        )
    order by 1
""")
"""Our tables whose owner is another role, whose rights the role that migrates does not have."""


def differences(subject: Subject) -> Iterator[Difference]:
    """What belongs to the wrong role. Row level security does not apply to a table's owner."""
    owner = quote(subject.owner)
    roles = [*ROLES, *([subject.login] if subject.login is not None else [])]
    for role, kind, identity in subject.connection.execute(OWNED, {"roles": roles}):
        change = f"alter {kind} {identity} owner to {owner}"
        as_owner = (f"grant {quote(role)} to {owner} with inherit true, set true", change)
        back = f"grant {quote(role)} to {owner} with inherit false"
        yield Difference(
            f"the role {quote(role)} owns the {kind} {identity}",
            (change,) if subject.is_superuser else (*as_owner, back),
        )
    for table, other in subject.connection.execute(FOREIGN, {"tables": list(TABLES), "roles": roles}):
        yield Difference(
            f"the table {table} belongs to {other}, whose rights {owner} does not have",
            (f"alter table public.{table} owner to {owner}",),
        )
