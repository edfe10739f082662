"""Reads a connection string as Neon prints it, and gives what a connection needs: address, credentials, TLS context.

`postgresql://user:p%40ss@ep-cool-name-123-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require`
"""

import ipaddress
import ssl
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SCHEMES = ("postgres", "postgresql", "postgresql+pg8000")
VERIFIED_MODES = ("require", "verify-ca", "verify-full")
"""With each of these we verify the certificate and the host's name. libpq's `require` would verify neither."""
WEAK_MODES = ("disable", "allow", "prefer")
CHANNEL_BINDINGS = ("disable", "prefer", "require")
SSL_NEGOTIATIONS = ("postgres", "direct")
KNOWN_PARAMETERS = ("sslmode", "sslnegotiation", "channel_binding", "host", "application_name")
ALPN = "postgresql"
"""What a server must speak, said in TLS itself, where TLS starts without PostgreSQL's SSLRequest."""
POOLER_SUFFIX = "-pooler"
DEFAULT_PORT = 5432


class InvalidDatabaseUrl(ValueError):
    """The URL cannot be used. The message says why, and never shows the URL, because the password is in it."""


@dataclass(frozen=True, kw_only=True)
class DatabaseUrl:
    """A parsed connection string. `host` is a name or an address; `socket` the path of a unix socket, for local use."""

    user: str
    password: str | None = field(repr=False)
    database: str
    host: str = ""
    port: int = DEFAULT_PORT
    socket: str | None = None
    tls: bool = True
    direct_tls: bool = False
    channel_binding_required: bool = False
    channel_binding_disabled: bool = False
    ca_file: str | None = None
    application_name: str | None = None
    pipeline: bool = True

    @classmethod
    def parse(cls, url: str, *, ca_file: str | None = None, pipeline: bool = True, sam_local: bool = False) -> Self:
        """Read a connection string.

        :param ca_file: PEM file, or folder of hashed names, to trust in place of the system's certificates
        :param pipeline: whether the messages of a login may leave before the answers to those before them
        :param sam_local: allow an unverified connection to a host that is not loopback (`sam local` containers)
        :raises InvalidDatabaseUrl: what to correct, without the URL
        """
        try:
            parts = urlsplit(url.strip())
            port = parts.port or DEFAULT_PORT
        except ValueError:
            raise InvalidDatabaseUrl("is not a URL; percent-encode special characters of the password") from None
        if parts.scheme not in SCHEMES:
            raise InvalidDatabaseUrl("must start with postgresql:// (or postgres://)")
        _refuse_misplaced_characters(parts)
        parameters = _parameters(parts.query)
        user, database = unquote(parts.username or ""), unquote(parts.path.removeprefix("/"))
        if not user or not database or "/" in database:
            raise InvalidDatabaseUrl("must name a user and a database: postgresql://user:password@host/database")

        host = unquote(parts.hostname or "") or parameters.get("host", "")
        if not host:
            raise InvalidDatabaseUrl("must name a host: postgresql://user:password@host/database")
        socket = f"{host.rstrip('/')}/.s.PGSQL.{port}" if host.startswith("/") else None
        local = socket is not None or _is_loopback(host)

        mode = parameters.get("sslmode", "prefer" if local else "require")
        if mode not in VERIFIED_MODES + WEAK_MODES:
            raise InvalidDatabaseUrl(f"sslmode must be one of {', '.join(VERIFIED_MODES + WEAK_MODES)}")
        if mode in WEAK_MODES and not (local or sam_local):
            raise InvalidDatabaseUrl("sslmode weaker than require is only for a database on this machine")
        binding = parameters.get("channel_binding", "prefer")
        if binding not in CHANNEL_BINDINGS:
            raise InvalidDatabaseUrl(f"channel_binding must be one of {', '.join(CHANNEL_BINDINGS)}")
        tls = mode in VERIFIED_MODES
        if binding == "require" and not tls:
            raise InvalidDatabaseUrl("channel_binding=require needs sslmode=require")
        negotiation = parameters.get("sslnegotiation", "postgres")
        if negotiation not in SSL_NEGOTIATIONS:
            raise InvalidDatabaseUrl(f"sslnegotiation must be one of {', '.join(SSL_NEGOTIATIONS)}")
        if negotiation == "direct" and not tls:
            raise InvalidDatabaseUrl("sslnegotiation=direct needs sslmode=require")
        if socket is not None and tls:
            raise InvalidDatabaseUrl("a unix socket has no TLS; leave sslmode out")

        return cls(
            user=user,
            password=None if parts.password is None else unquote(parts.password),
            database=database,
            host="" if socket else host,
            port=port,
            socket=socket,
            tls=tls,
            direct_tls=negotiation == "direct",
            channel_binding_required=binding == "require",
            channel_binding_disabled=binding == "disable",
            ca_file=ca_file,
            application_name=parameters.get("application_name"),
            pipeline=pipeline,
        )

    @property
    def is_local(self) -> bool:
        """Whether the database is on this machine."""
        return self.socket is not None or _is_loopback(self.host)

    def direct(self) -> Self:
        """The same database without Neon's pooler, for what a transaction pooler cannot do: migrations."""
        name, dot, domain = self.host.partition(".")
        return replace(self, host=name.removesuffix(POOLER_SUFFIX) + dot + domain)

    def tls_context(self) -> ssl.SSLContext | None:
        """The TLS context to connect with; None where the connection stays in clear text.

        :raises InvalidDatabaseUrl: the CA file cannot be read
        """
        return _tls_context(self.ca_file, self.direct_tls) if self.tls else None


@cache
def _tls_context(ca_file: str | None, direct: bool) -> ssl.SSLContext:
    """One context per process: loading the system's certificates takes longer than a whole request.

    From a folder OpenSSL takes a certificate when it needs it, by the name of its file (`openssl rehash`). It says
    nothing of a folder without such files, so one is looked for here.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and host name, sends SNI
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if direct:
        context.set_alpn_protocols([ALPN])
    try:
        if not ca_file:
            context.load_default_certs()
        elif Path(ca_file).is_dir():
            next(Path(ca_file).glob(f"{'[0-9a-f]' * 8}.0")).read_bytes()
            context.load_verify_locations(capath=ca_file)
        else:
            context.load_verify_locations(ca_file)
    except (OSError, StopIteration, ssl.SSLError):
        raise InvalidDatabaseUrl(
            "the CA file (DATABASE_CA_FILE) cannot be read: PEM certificates, or a folder made by `openssl rehash`"
        ) from None
    return context


def _refuse_misplaced_characters(parts: SplitResult) -> None:
    """Refuse a URL whose password is not percent-encoded.

    It comes first, because the password's end then stands in other parts of the URL, which errors would show.
    """
    if parts.fragment:
        raise InvalidDatabaseUrl("has a # in it; write %23 where it belongs to the password")
    if "@" in parts.path + parts.query:
        raise InvalidDatabaseUrl("has an @ after the host; percent-encode special characters of the password")
    if "%00" in parts.netloc + parts.path:
        raise InvalidDatabaseUrl("has U+0000 (%00) in it, which PostgreSQL cannot take")


def _parameters(query: str) -> dict[str, str]:
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    for name in parameters:
        if name not in KNOWN_PARAMETERS:
            # The name is printed because it is the user's own typing; the value may be a secret.
            raise InvalidDatabaseUrl(f"unknown parameter {name[:40]!r}; known are {', '.join(KNOWN_PARAMETERS)}")
    return parameters


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
