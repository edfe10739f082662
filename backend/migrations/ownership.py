"""Who owns what: tables and functions belong to the role that migrates, and nothing to the two roles or the login."""

from collections.abc import Iterator

from sqlalchemy import text

from backend.migrations.difference import Difference, Subject, quote
from backend.migrations.rights import FUNCTIONS, ROLES, TABLES

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
    select kind, name, owner::regrole::text from (
        select 'table', relname, relowner from pg_class
        where relnamespace = 'public'::regnamespace and relname = any(:tables)
        union all
        select 'function', name, proowner
        from unnest(cast(:functions as text[])) name join pg_proc on oid = to_regprocedure('public.' || name)
    ) ours (kind, name, owner)
    where not pg_has_role(current_user, owner, 'usage') and owner <> all(
        select oid from pg_roles where rolname = any(:roles)
    )
    order by 1 desc, 2
""")
"""Our tables and functions whose owner is another role, whose rights the role that migrates does not have.

The function that counts tasks runs with its owner's rights: with another owner it cannot write the totals."""


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
    ours = {"tables": list(TABLES), "functions": list(FUNCTIONS), "roles": roles}
    for kind, name, other in subject.connection.execute(FOREIGN, ours):
        yield Difference(
            f"the {kind} {name} belongs to {other}, whose rights {owner} does not have",
            (f"alter {kind} public.{name} owner to {owner}",),
        )
