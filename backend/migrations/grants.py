"""Compares the rights in the database with `rights.py`: of the two roles, of the application's login, and of PUBLIC.

Rights of other roles, such as a login for reports, are a person's own and stay as they are.
"""

from collections.abc import Iterator

from sqlalchemy import text

from backend.migrations.difference import Difference, Subject, quote
from backend.migrations.rights import FUNCTIONS, PUBLIC, ROLES, TABLES, Right, expected

RIGHTS = text("""
    with rights (kind, name, is_of_schema, is_of_extension, column_name, acl) as (
        select case when relkind = 'S' then 'sequence' else 'table' end, format('%I.%I', nspname, relname),
            nspname = 'public',
            exists (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e'),
            '', relacl
        from pg_class c join pg_namespace n on n.oid = relnamespace
        union all
        select 'table', format('%I.%I', nspname, relname), nspname = 'public', false, quote_ident(attname), attacl
        from pg_attribute join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace
        where not attisdropped
        union all
        select case prokind when 'p' then 'procedure' else 'function' end,
            format('%I.%I(%s)', nspname, proname, oidvectortypes(proargtypes)),
            p.oid = any(:functions), false, '', coalesce(proacl, acldefault('f', proowner))
        from pg_proc p join pg_namespace n on n.oid = pronamespace
        union all
        select 'schema', quote_ident(nspname), nspname = 'public', false, '', nspacl from pg_namespace
        union all
        select 'database', quote_ident(datname), true, false, '', coalesce(datacl, acldefault('d', datdba))
        from pg_database where datname = current_database()
    )
    select kind, name, column_name, lower(privilege_type), coalesce(quote_ident(rolname), 'public'), is_grantable
    from rights cross join aclexplode(acl) left join pg_roles on pg_roles.oid = grantee
    where rolname = any(:roles) or (grantee = 0 and is_of_schema and not is_of_extension)
""")
"""Every right of the named roles, and those of PUBLIC on our functions, the schema `public` and what is in it.

PUBLIC has many other rights, such as those on the system's catalogs, and extensions give it some on theirs."""
OTHERS = text("""
    select rolname, pg_describe_object(classid, objid, objsubid)
    from pg_shdepend join pg_roles on pg_roles.oid = refobjid
    where refclassid = 'pg_authid'::regclass and deptype = 'a' and rolname = any(:roles)
        and dbid in (0, (select oid from pg_database where datname = current_database()))
        and classid not in
            ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_namespace'::regclass, 'pg_database'::regclass)
    order by 1, 2
""")
"""Rights on everything else: types, large objects, settings, default privileges, foreign servers, …"""


def differences(subject: Subject) -> Iterator[Difference]:
    """The rights that are missing, and those that must not be."""
    login = None if subject.login is None else quote(subject.login)
    wanted = expected(login=login, database=quote(subject.database))
    roles = [*ROLES, *([subject.login] if subject.login is not None else [])]
    found = _found(subject, roles)
    tables = _tables(subject)
    for right in sorted(found - wanted):
        if not _is_usual(right):
            yield _closed(subject, right) if _is_open_to_all(right) else _too_much(right, wanted)
    is_open = any(_is_open_to_all(right) for right in found)
    for right in sorted(wanted - found):
        if right.kind == "database" and is_open:
            continue  # it is granted where PUBLIC loses it
        if right.kind != "table" or right.name in tables:
            yield Difference(f"{right.grantee} lacks {right}", (right.grant,), is_new=right.kind == "database")
    for table in TABLES:
        if f"public.{table}" not in tables:
            yield Difference(f"the table {table} is missing: restore it from a backup")
    for role, what in subject.connection.execute(OTHERS, {"roles": roles}):
        yield Difference(f"the role {quote(role)} has rights on {what}")


def locked_out(subject: Subject) -> list[str]:
    """The logins of the cluster that may not connect to the database."""
    names = subject.connection.scalars(
        text("""
            select quote_ident(rolname) from pg_roles
            where rolcanlogin and not rolsuper and not has_database_privilege(oid, current_database(), 'connect')
            order by 1
        """)
    )
    return list(names)


def _found(subject: Subject, roles: list[str]) -> set[Right]:
    functions = subject.connection.scalars(
        text("select to_regprocedure('public.' || name)::oid from unnest(cast(:names as text[])) name"),
        {"names": list(FUNCTIONS)},
    )
    rows = subject.connection.execute(
        RIGHTS, {"roles": roles, "functions": [oid for oid in functions if oid is not None]}
    )
    return {Right(*row) for row in rows}


def _tables(subject: Subject) -> set[str]:
    names = subject.connection.scalars(
        text("select 'public.' || tablename from pg_tables where schemaname = 'public' and tablename = any(:names)"),
        {"names": list(TABLES)},
    )
    return set(names)


def _is_usual(right: Right) -> bool:
    """Whether PostgreSQL itself gives this right to PUBLIC, and it does no harm."""
    return right.grantee == PUBLIC and (right.kind, right.privilege) in {("schema", "usage"), ("database", "temporary")}


def _is_open_to_all(right: Right) -> bool:
    """Whether every login of the cluster may connect to the database: so PostgreSQL creates one."""
    return (right.kind, right.privilege, right.grantee) == ("database", "connect", PUBLIC)


def _closed(subject: Subject, right: Right) -> Difference:
    """Take CONNECT from PUBLIC. First those get it who are to keep it, so that no request fails in between."""
    kept = sorted(Right(right.kind, right.name, "", right.privilege, login).grant for login in _logins(subject))
    return Difference(
        f"every login of the cluster may connect to the database {right.name}",
        (*kept, right.revoke),
        who=f"the owner of the database {right.name}",
        is_advice=True,
    )


def _logins(subject: Subject) -> set[str]:
    """The application's login. Where the cluster has no other database, also each other one that may take the roles.

    That is the one before, whose password is being rotated. With other databases it may be one of theirs.
    """
    others = subject.connection.scalars(
        text("""
            select quote_ident(rolname) from pg_roles
            where rolcanlogin and not rolsuper
                and oid in (select member from pg_auth_members where roleid::regrole::text = any(:roles) and set_option)
                and not exists (
                    select from pg_database
                    where not datistemplate and datname not in ('postgres', current_database())
                )
        """),
        {"roles": list(ROLES)},
    )
    return {*others, *([quote(subject.login)] if subject.login is not None else [])}


def _too_much(right: Right, wanted: set[Right]) -> Difference:
    # A right on the whole table takes those on its columns with it; both change at the same moment.
    of_columns = sorted(
        other.grant
        for other in wanted
        if (other.name, other.grantee, other.privilege) == (right.name, right.grantee, right.privilege)
    )
    return Difference(f"{right.grantee} may {right}", (right.revoke, *of_columns), who="the role that granted it")
