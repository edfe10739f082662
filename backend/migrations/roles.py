"""Compares the two roles and the application's login with `rights.py`: attributes, memberships, settings.

Roles belong to the whole cluster. Another database may have made them, or a person, with whatever attributes.
"""

from collections.abc import Iterator, Mapping

from sqlalchemy import text

from backend.migrations.difference import Difference, Subject, quote
from backend.migrations.rights import LOGIN_ATTRIBUTES, LOGIN_SETTINGS, ROLE_ATTRIBUTES, ROLES

COLUMNS = {"login": "rolcanlogin", "superuser": "rolsuper"}
"""The columns of pg_roles that are not named `rol` and the attribute."""


def missing(subject: Subject) -> Iterator[Difference]:
    """The roles that the cluster does not have, and those that the owner may not grant to the login.

    The creator of a role may grant it. The second owner in a cluster may not, until the first one lets them.
    """
    there = set(
        subject.connection.scalars(
            text("select rolname from pg_roles where rolname = any(:roles)"), {"roles": list(ROLES)}
        )
    )
    for role in ROLES:
        if role not in there:
            yield Difference(f"the role {role} is missing", (f"create role {role} nologin noinherit",), is_new=True)
    if not subject.is_superuser:
        yield from (_not_granted(subject, role) for role in ROLES if role in there and not _may_grant(subject, role))


def of_roles(subject: Subject) -> Iterator[Difference]:
    """What the two roles have that they must not have."""
    for role in ROLES:
        yield from _attributes(subject, role, ROLE_ATTRIBUTES)
        yield from _settings(subject, role, {})
        for granted, grantor, _, _ in _memberships(subject, role):
            yield _no_member(role, granted, grantor)


def of_login(subject: Subject) -> Iterator[Difference]:
    """What the login has that it must not have, and what it lacks. It may take the two roles, and nothing else."""
    login = subject.login
    if login is None or not _exists(subject, login):
        return
    yield from _attributes(subject, login, LOGIN_ATTRIBUTES)
    expired = text("select rolvaliduntil <= now() from pg_roles where rolname = :role")
    if subject.connection.scalar(expired, {"role": login}):
        yield Difference(
            f"the password of the login {quote(login)} has expired",
            (f"alter role {quote(login)} valid until 'infinity'",),
        )
    yield from _settings(subject, login, LOGIN_SETTINGS)
    may_take = set()
    for granted, grantor, has_more, may_be_set in _memberships(subject, login):
        if granted not in ROLES or has_more:
            yield _no_member(login, granted, grantor)
        elif may_be_set:
            may_take.add(granted)
    for role in ROLES:
        if role not in may_take:
            yield Difference(
                f"the login {quote(login)} may not take the role {role}",
                (f"grant {role} to {quote(login)} with admin false, inherit false, set true",),
                is_new=True,
            )


def _exists(subject: Subject, role: str) -> bool:
    found = subject.connection.scalar(text("select true from pg_roles where rolname = :role"), {"role": role})
    return found is not None


def _may_grant(subject: Subject, role: str) -> bool:
    """Whether the owner has ADMIN on the role. (A superuser always may.)"""
    may = subject.connection.scalar(
        text("select pg_has_role(current_user, cast(:role as name), 'member with admin option')"), {"role": role}
    )
    return bool(may)


def _not_granted(subject: Subject, role: str) -> Difference:
    """With ADMIN, which a superuser or a role that has it gives."""
    granting = subject.connection.scalars(
        text("""
            select distinct member::regrole::text from pg_auth_members
            where roleid = (select oid from pg_roles where rolname = :role) and admin_option order by 1
        """),
        {"role": role},
    )
    return Difference(
        f"the role {role} exists, and {quote(subject.owner)} may not grant it",
        (f"grant {role} to {quote(subject.owner)} with admin true, inherit false, set true",),
        who=" or ".join(("a superuser", *granting)),
    )


def _attributes(subject: Subject, role: str, expected: Mapping[str, bool]) -> Iterator[Difference]:
    columns = ", ".join(COLUMNS.get(attribute, f"rol{attribute}") for attribute in expected)
    row = subject.connection.execute(
        text(f"select {columns} from pg_roles where rolname = :role"), {"role": role}
    ).one_or_none()
    for (attribute, must_have), has in zip(expected.items(), row or (), strict=False):
        if has != must_have:
            word = attribute if must_have else f"no{attribute}"
            yield Difference(
                f"the role {quote(role)} {'has' if has else 'lacks'} {attribute.upper()}",
                (f"alter role {quote(role)} {word}",),
            )


def _memberships(subject: Subject, role: str) -> list[tuple[str, str, bool, bool]]:
    """Every role that has been granted to this one: its name, by whom, whether with more than SET, whether with SET."""
    rows = subject.connection.execute(
        text("""
            select granted.rolname, grantor.rolname, admin_option or inherit_option, set_option
            from pg_auth_members
            join pg_roles granted on granted.oid = roleid
            join pg_roles member on member.oid = pg_auth_members.member
            join pg_roles grantor on grantor.oid = pg_auth_members.grantor
            where member.rolname = :role
            order by 1, 2
        """),
        {"role": role},
    )
    return [tuple(row) for row in rows]


def _no_member(role: str, granted: str, grantor: str) -> Difference:
    return Difference(
        f"the role {quote(role)} is a member of {quote(granted)}, with rights that it must not have",
        (f"revoke {quote(granted)} from {quote(role)} granted by {quote(grantor)} cascade",),
        who=f"a superuser or {quote(grantor)}",
    )


def _settings(subject: Subject, role: str, expected: Mapping[str, str]) -> Iterator[Difference]:
    """The settings that every session of the role starts with (ALTER ROLE … SET)."""
    rows = subject.connection.execute(
        text("""
            select split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1), setdatabase <> 0
            from pg_db_role_setting
            join pg_roles on pg_roles.oid = setrole
            cross join unnest(setconfig) setting
            where rolname = :role
                and setdatabase in (0, (select oid from pg_database where datname = current_database()))
            order by 1
        """),
        {"role": role},
    )
    as_expected = set()
    for name, value, is_of_database in rows:
        if not is_of_database and expected.get(name) == value:
            as_expected.add(name)
        elif is_of_database or name not in expected:
            where = f" in database {quote(subject.database)}" if is_of_database else ""
            yield Difference(
                f"the role {quote(role)} starts with {name} = {value!r}",
                (f"alter role {quote(role)}{where} reset {quote(name)}",),
            )
    for name, value in expected.items():
        if name not in as_expected:
            yield Difference(
                f"the role {quote(role)} does not start with {name} = {value!r}",
                (f"alter role {quote(role)} set {name} = '{value}'",),
                is_new=True,
            )
