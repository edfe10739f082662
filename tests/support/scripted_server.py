"""A PostgreSQL server that follows a script: at each step it sends what PostgreSQL sends, or what a test tells it to.

Its messages are put together here, without the driver's help, so that a mistake of the driver is not repeated.
https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import hashlib
import hmac
import re
import shutil
import socket
import ssl
import struct
import tempfile
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum, auto
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from backend.auth.tokens import Kind, Tokens
from backend.postgres import memory, network
from backend.postgres.url import DatabaseUrl
from tests.conftest import SECRET
from tests.support.missing import skip_or_fail
from tests.support.pooler import CertificateAuthority

HOST = "ep-cool-name-123456-pooler.eu-central-1.aws.neon.example"
"""The name in the server's certificate. Tests resolve it to this machine, as all names under `.example`."""
USER, PASSWORD, DATABASE = "login_of_a_test", "a password that no server is told", "database_of_a_test"
PLAIN, PLUS = "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"
SALT, MD5_SALT = b"sixteen bytes of", b"salt"
ITERATIONS = 4096
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
TERMINATE, QUERY, SYNC, PARSE, DESCRIBE = b"X", b"Q", b"S", b"P", b"D"
WAIT_SECONDS = 60
"""For what must come about at once. It only keeps a failing test from waiting for ever."""
TEXT_OID, INTEGER_OID = 25, 23
TASK = {
    "id": str(UUID(int=1)),
    "user_id": str(UUID(int=2)),
    "title": "Buy milk",
    "description": None,
    "completed": "f",
    "version": "1",
    "created_at": "2031-03-05 07:11:13+00",
    "updated_at": "2031-03-05 07:11:13+00",
}
UUID_OID, BOOLEAN_OID, TIMESTAMPTZ_OID = 2950, 16, 1184
TASK_OIDS = {
    **dict.fromkeys(("id", "user_id"), UUID_OID),
    **dict.fromkeys(("created_at", "updated_at"), TIMESTAMPTZ_OID),
    "completed": BOOLEAN_OID,
    "version": INTEGER_OID,
}


class Message(NamedTuple):
    """A client's message."""

    kind: bytes
    body: bytes


class Step(Enum):
    """What a server says, in this order, one step for each message or group of messages."""

    TLS = auto()
    """The answer to SSLRequest."""
    SASL = auto()
    """The list of mechanisms."""
    SASL_CONTINUE = auto()
    SASL_FINAL = auto()
    OK = auto()
    """AuthenticationOk."""
    PARAMETERS = auto()
    """ParameterStatus and BackendKeyData."""
    READY = auto()
    """The login's ReadyForQuery."""
    ANSWER = auto()
    """To a flight, up to and with ReadyForQuery."""


Say = Callable[["Client", bytes], object]
"""Sends something in place of the honest message of a step, which it is given."""
Script = Mapping[Step, Say]
"""What a server says otherwise than PostgreSQL."""
HONEST: Script = {}


class ClientGone(Exception):
    """The client has closed its connection."""


class ScriptedServer:
    """Accepts connections on a free port of this machine. Each is served as the script for it says.

    :param tls: whether it has TLS, with a certificate for HOST
    :ivar clients: the connections since the last `follow`
    """

    client_class: "type[Client]"

    def __init__(self, *, tls: bool = True) -> None:
        self.clients: list[Client] = []
        self._scripts: Sequence[Script] = (HONEST,)
        self._directory = Path(tempfile.mkdtemp(prefix="todo-api-scripted-"))
        self.tls_context: ssl.SSLContext | None = None
        self.binding = b""
        if tls:
            self._create_certificate()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self.clients:
            client.end()
        shutil.rmtree(self._directory)

    @property
    def ca_file(self) -> str:
        """The authority of its certificate."""
        return str(self._directory / "ca.pem")

    def url(self, parameters: str = "", *, port: int | None = None) -> str:
        """The connection string.

        :param parameters: more of its parameters, such as `&channel_binding=require`
        """
        host, mode = ("127.0.0.1", "disable") if self.tls_context is None else (HOST, "require")
        login = f"{USER}:{quote(PASSWORD)}"
        return f"postgresql://{login}@{host}:{port or self.port}/{DATABASE}?sslmode={mode}{parameters}"

    def database_url(self, parameters: str = "", *, port: int | None = None, pipeline: bool = True) -> DatabaseUrl:
        """The same, parsed."""
        return DatabaseUrl.parse(self.url(parameters, port=port), ca_file=self.ca_file, pipeline=pipeline)

    def follow(self, *scripts: Script) -> None:
        """Serve the next connections by these scripts, one each, and all further ones by the last."""
        self._scripts, self.clients = scripts, []

    @property
    def received(self) -> bytes:
        """Everything that clients have sent, decrypted."""
        return b"\n".join(bytes(client.received) for client in self.clients)

    def check_hung_up(self) -> None:
        """Check that every client has closed its connection, and that none has told the password.

        Nor may it have told a hash that PostgreSQL takes for the password (MD5).
        """
        assert self.clients, "no client has come"
        for client in self.clients:
            assert client.is_over.wait(WAIT_SECONDS), "the client keeps its connection open"
        for secret in (PASSWORD, stored_md5(), salted_md5(), b64encode(PASSWORD.encode()).decode()):
            assert secret.encode() not in self.received

    def _create_certificate(self) -> None:
        if shutil.which("openssl") is None:
            skip_or_fail("openssl is missing (apt install openssl): NO SERVER WITH TLS IS TESTED")
        key, certificate = CertificateAuthority(self._directory).certify(f"DNS:{HOST}")
        self.tls_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls_context.load_cert_chain(certificate, key)
        self.tls_context.num_tickets = 0  # as PostgreSQL and Neon's proxy
        self.tls_context.set_alpn_protocols(["postgresql"])
        self.binding = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).digest()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                script = self._scripts[min(len(self.clients), len(self._scripts) - 1)]
                client = self.client_class(self, sock, script)
                self.clients.append(client)
                threading.Thread(target=client.serve, daemon=True).start()


class Client:
    """A client's connection, as the server sees it.

    :ivar parameters: those of its StartupMessage
    :ivar received: everything that it has sent, decrypted
    :ivar steps: what the server has said to it
    :ivar early: for each step, what the client had sent already without an answer to it
    :ivar is_over: whether the connection is closed
    """

    def __init__(self, server: ScriptedServer, sock: socket.socket, script: Script) -> None:
        self.parameters: dict[str, str] = {}
        self.received = bytearray()
        self.steps: list[Step] = []
        self.early: dict[Step, bytes] = {}
        self.is_over = threading.Event()
        self._server, self._sock, self._script = server, sock, script
        self._unread = bytearray()

    def serve(self) -> None:
        """Log the client in and answer its flights, until one of the two hangs up."""
        try:
            with suppress(ClientGone, OSError):
                self._begin()
                self._serve()
        finally:
            self.close()

    def say(self, step: Step, honest: bytes) -> None:
        """Send a step's message, or what the script says instead."""
        self.early.setdefault(step, bytes(self._unread))
        self.steps.append(step)
        self._script.get(step, Client.send)(self, honest)

    def send(self, *messages: bytes) -> None:
        """Send these bytes, in one TLS record if they fit."""
        self._sock.sendall(b"".join(messages))

    def receive(self) -> Message:
        """The client's next message."""
        header = self._read(5)
        return Message(header[:1], self._read(int.from_bytes(header[1:]) - 4))

    def receive_flight(self) -> list[Message]:
        """The client's messages up to the next Sync or Query."""
        flight = [self.receive()]
        while flight[-1].kind not in (SYNC, QUERY):
            if flight[-1].kind == TERMINATE:
                raise ClientGone
            flight.append(self.receive())
        return flight

    def answer_flights(self) -> None:
        """Answer the client's flights until it goes."""
        while True:
            self.say(Step.ANSWER, b"".join(answer(self.receive_flight())))

    def listen(self, seconds: float) -> None:
        """Receive what comes within this time, without reading it yet."""
        ends = time.monotonic() + seconds
        with suppress(TimeoutError):
            while (left := ends - time.monotonic()) > 0:
                self._receive(left)

    def forget_unread(self) -> None:
        """Lose what has been received and not read, as a pooler does that empties its buffer."""
        self._unread.clear()

    def reset(self) -> None:
        """Close the connection with RST in place of FIN, as a network that forgets it."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()
        self.is_over.set()

    def end(self) -> None:
        """End the connection from another thread, and wait for the one that serves it."""
        with suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)  # an SSLSocket's own is not for another thread
        self.is_over.wait(WAIT_SECONDS)

    def _serve(self) -> None:
        self._log_in()
        self.answer_flights()

    def _begin(self) -> None:
        """TLS, where the server has it, and StartupMessage."""
        if self._server.tls_context is not None:
            if self._sock.recv(1, socket.MSG_PEEK) != b"\x16":  # not sslnegotiation=direct
                assert self._read(len(SSL_REQUEST)) == SSL_REQUEST
                self.say(Step.TLS, b"S")
            self._sock = self._server.tls_context.wrap_socket(self._sock, server_side=True)
        startup = self._read(int.from_bytes(self._read(4)) - 4)[4:].decode().split("\0")
        self.parameters = dict(zip(startup[:-2:2], startup[1:-2:2], strict=True))

    def _log_in(self) -> None:
        scram = Scram(self._server.binding)
        self.say(Step.SASL, sasl(PLAIN, PLUS) if self._server.binding else sasl(PLAIN))
        self.say(Step.SASL_CONTINUE, sasl_continue(scram.challenge(self.receive().body)))
        proof = scram.proof(self.receive().body)
        if proof is None:
            self.send(error("28P01", f'password authentication failed for user "{USER}"'))
            raise ClientGone
        self.say(Step.SASL_FINAL, sasl_final(proof))
        self.say(Step.OK, AUTHENTICATION_OK)
        self.say(Step.PARAMETERS, PARAMETERS)
        self.say(Step.READY, ready())

    def _read(self, length: int) -> bytes:
        while len(self._unread) < length:
            self._receive(WAIT_SECONDS)
        taken = bytes(self._unread[:length])
        del self._unread[:length]
        return taken

    def _receive(self, seconds: float) -> None:
        self._sock.settimeout(seconds)
        try:
            data = self._sock.recv(65536)
        finally:
            self._sock.settimeout(WAIT_SECONDS)
        if not data:
            raise ClientGone
        self.received += data
        self._unread += data


ScriptedServer.client_class = Client


class Scram:
    """The server's side of one SCRAM login (RFC 5802).

    :param binding: the hash of its certificate, for SCRAM-SHA-256-PLUS
    """

    def __init__(self, binding: bytes = b"") -> None:
        self._binding = binding

    def challenge(self, initial_response: bytes) -> bytes:
        """The answer to SASLInitialResponse: server-first-message."""
        self._mechanism, _, rest = initial_response.partition(b"\0")
        self._flag, authorization, self._first_bare = rest[4:].split(b",", 2)
        assert authorization == b""
        assert self._flag == (b"n" if self._mechanism.decode() == PLAIN else b"p=tls-server-end-point")
        self._nonce = self._first_bare.removeprefix(b"n=,r=") + b"/server-part"
        self._first = b"r=%b,s=%b,i=%d" % (self._nonce, b64encode(SALT), ITERATIONS)
        return self._first

    def proof(self, response: bytes) -> bytes | None:
        """The answer to SASLResponse: server-final-message. None if the client does not know the password."""
        without_proof, _, proof = response.partition(b",p=")
        bound = self._binding if self._mechanism.decode() == PLUS else b""
        auth_message = b",".join((self._first_bare, self._first, without_proof))
        salted = _salted(PASSWORD)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), auth_message, "sha256")
        expected = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        bound_to = b"c=%b,r=%b" % (b64encode(self._flag + b",," + bound), self._nonce)
        if (without_proof, b64decode(proof)) != (bound_to, expected):
            return None
        return b"v=" + b64encode(hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), auth_message, "sha256"))


def stored_md5() -> str:
    """The password as a server stores it that asks for MD5: it is as good as the password."""
    return hashlib.md5(PASSWORD.encode() + USER.encode()).hexdigest()


def salted_md5() -> str:
    """The answer to a server that asks for MD5."""
    return "md5" + hashlib.md5(stored_md5().encode() + MD5_SALT).hexdigest()


@cache
def _salted(password: str) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), SALT, ITERATIONS)


def message(kind: bytes, body: bytes = b"") -> bytes:
    """A message: its kind, its length, its body."""
    return kind + struct.pack("!i", len(body) + 4) + body


def authentication(code: int, body: bytes = b"") -> bytes:
    """An Authentication message."""
    return message(b"R", struct.pack("!i", code) + body)


def sasl(*mechanisms: str) -> bytes:
    return authentication(10, b"".join(name.encode() + b"\0" for name in mechanisms) + b"\0")


def sasl_continue(challenge: bytes) -> bytes:
    return authentication(11, challenge)


def sasl_final(proof: bytes) -> bytes:
    return authentication(12, proof)


def parameter(name: str, value: str) -> bytes:
    """ParameterStatus."""
    return message(b"S", name.encode() + b"\0" + value.encode() + b"\0")


def notice(sentence: str) -> bytes:
    return message(b"N", f"SNOTICE\0VNOTICE\0C00000\0M{sentence}\0\0".encode())


def error(sqlstate: str, sentence: str, severity: str = "FATAL") -> bytes:
    return message(b"E", f"S{severity}\0V{severity}\0C{sqlstate}\0M{sentence}\0\0".encode())


def ready(status: bytes = b"I") -> bytes:
    """ReadyForQuery."""
    return message(b"Z", status)


def columns(oids: Mapping[str, int]) -> bytes:
    """RowDescription."""
    described = (name.encode() + b"\0" + struct.pack("!ihihih", 0, 0, oid, -1, -1, 0) for name, oid in oids.items())
    return message(b"T", struct.pack("!h", len(oids)) + b"".join(described))


def row(*values: str | None) -> bytes:
    """DataRow."""
    texts = (struct.pack("!i", -1) if value is None else _counted(value.encode()) for value in values)
    return message(b"D", struct.pack("!h", len(values)) + b"".join(texts))


def complete(tag: str) -> bytes:
    """CommandComplete."""
    return message(b"C", tag.encode() + b"\0")


def _counted(value: bytes) -> bytes:
    return struct.pack("!i", len(value)) + value


AUTHENTICATION_OK = authentication(0)
CLEARTEXT_PASSWORD, MD5_PASSWORD = authentication(3), authentication(5, MD5_SALT)
GSS, SSPI = authentication(7), authentication(9)
PARSE_COMPLETE, BIND_COMPLETE, NO_DATA = message(b"1"), message(b"2"), message(b"n")
PARAMETERS = parameter("client_encoding", "UTF8") + parameter("DateStyle", "ISO, DMY") + message(b"K", bytes(8))


def split(stream: bytes) -> list[bytes]:
    """The messages in these bytes."""
    found = []
    while stream:
        end = 1 + int.from_bytes(stream[1:5])
        found.append(stream[:end])
        stream = stream[end:]
    return found


def statements(flight: Sequence[Message]) -> list[str]:
    """The statements that a flight has."""
    return [_statement(each) for each in flight if each.kind in (PARSE, QUERY)]


def _statement(sent: Message) -> str:
    return sent.body.lstrip(b"\0").partition(b"\0")[0].decode()


def answer(flight: Sequence[Message]) -> list[bytes]:
    """PostgreSQL's answer to a flight. The statements of these tests give one row each, where they give rows."""
    if flight[-1].kind == QUERY:
        return [complete(_statement(flight[-1]).upper()), ready()]
    described = sum(each.kind == DESCRIBE for each in flight)
    found = statements(flight)
    answers = []
    for position, statement in enumerate(found, 1):
        oids, values, tag = _result(statement)
        answers += [PARSE_COMPLETE, BIND_COMPLETE]
        if position > len(found) - described:
            answers.append(columns(oids) if oids else NO_DATA)
        answers += [row(*values)] if oids else []
        answers.append(complete(tag))
    return [*answers, ready(b"T" if found[0] == "begin" else b"I")]


def _result(statement: str) -> tuple[dict[str, int], list[str | None], str]:
    """What a statement gives: the OIDs of its columns, a row, and the command's tag."""
    command = statement.split(maxsplit=1)[0].upper()
    if command == "SHOW":
        return {"transaction_read_only": TEXT_OID}, ["off"], "SHOW"
    if "to_timestamp($1" in statement:  # the opening
        return {"in_time": 16, "clock": 701, "settings": 1009}, ["t", repr(time.time()), '{"ISO, MDY"}'], "SELECT 1"
    if command == "INSERT":
        names = re.findall(r"tasks\.(\w+)", statement.upper().partition("RETURNING")[2].lower())
        return {name: TASK_OIDS.get(name, TEXT_OID) for name in names}, [TASK[name] for name in names], "INSERT 0 1"
    if command == "SELECT":
        return {"answer": INTEGER_OID}, ["1"], "SELECT 1"
    return {}, [], command


def resolve_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make HOST and similar names those of this machine, and forget all servers, as a new process has."""
    original = socket.getaddrinfo

    def getaddrinfo(host: str, *options: Any, **more: Any) -> list[Any]:
        return original("127.0.0.1" if host.endswith(".example") else host, *options, **more)

    monkeypatch.setattr(network, "_known", {})
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    memory.forget()


def access_token() -> str:
    """The access token of a user whom such a server takes for signed in."""
    now = int(time.time())
    return Tokens(SECRET).sign(Kind.ACCESS, user_id=uuid4(), sign_in_id=uuid4(), issued_at=now, expires_at=now + 900)


def instead(*messages: bytes) -> Say:
    """Say these messages in place of the honest one."""
    return lambda client, _: client.send(*messages)


def before(*messages: bytes) -> Say:
    """Say these messages in front of the honest one."""
    return lambda client, honest: client.send(*messages, honest)


def behind(*messages: bytes) -> Say:
    """Say these messages behind the honest one, in the same TLS record."""
    return lambda client, honest: client.send(honest, *messages)


def changed(change: Callable[[list[bytes]], Sequence[bytes]]) -> Say:
    """Say the honest messages, changed."""
    return lambda client, honest: client.send(*change(split(honest)))


def in_turn(*says: Say) -> Say:
    """Say one thing after the other. Each is given the honest message."""

    def say(client: Client, honest: bytes) -> None:
        for each in says:
            each(client, honest)

    return say


def nothing(_client: Client, _honest: bytes) -> None:
    """Leave the honest message out."""


def silence(client: Client, _honest: bytes) -> None:
    """Say nothing from here on."""
    client.listen(WAIT_SECONDS)


def close(client: Client, _honest: bytes) -> None:
    """Close the connection in place of the honest message."""
    client.close()


def reset(client: Client, _honest: bytes) -> None:
    """Reset the connection in place of the honest message."""
    client.reset()


def close_behind(client: Client, honest: bytes) -> None:
    """Close the connection behind the honest message."""
    client.send(honest)
    client.close()


def later(seconds: float) -> Say:
    """Say the honest message after this time."""

    def say(client: Client, honest: bytes) -> None:
        time.sleep(seconds)
        client.send(honest)

    return say


def for_ever(message: bytes, pause: float = 0.0) -> Say:
    """Say this message again and again, and nothing else."""

    def say(client: Client, _: bytes) -> None:
        while True:
            client.send(message)
            time.sleep(pause)

    return say


def byte_by_byte(pause: float) -> Say:
    """Say the honest message, one byte at a time."""

    def say(client: Client, honest: bytes) -> None:
        for byte in honest:
            client.send(bytes([byte]))
            time.sleep(pause)

    return say
