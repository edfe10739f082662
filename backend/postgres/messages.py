"""The messages of PostgreSQL's protocol: those that we send, and the parts of those that we read.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from struct import Struct, pack

PROTOCOL_3_0 = 196608
INT16, INT32 = Struct("!h"), Struct("!i")
SQLSTATE = re.compile("[0-9A-Z]{5}")

# the server's messages, by their kinds
AUTHENTICATION, PARAMETER_STATUS, BACKEND_KEY, READY = b"R", b"S", b"K", b"Z"
PARSE_COMPLETE, BIND_COMPLETE, ROW_DESCRIPTION, NO_DATA, DATA_ROW = b"1", b"2", b"T", b"n", b"D"
COMMAND_COMPLETE, EMPTY_QUERY, ERROR, NOTICE, NOTIFICATION = b"C", b"I", b"E", b"N", b"A"

# the codes of an Authentication message
OK, CLEARTEXT_PASSWORD, MD5_PASSWORD, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 5, 10, 11, 12


def message(kind: bytes, body: bytes = b"") -> bytes:
    """One message: its kind, its length, its body."""
    return kind + INT32.pack(len(body) + 4) + body


SYNC = message(b"S")
TERMINATE = message(b"X")
SSL_REQUEST = pack("!ii", 8, 80877103)
DESCRIBE_PORTAL = message(b"D", b"P\0")
EXECUTE_ALL = message(b"E", b"\0\0\0\0\0")


def startup(parameters: Mapping[str, str]) -> bytes:
    """The first message, which has no kind."""
    body = INT32.pack(PROTOCOL_3_0) + b"".join(_text(part) for pair in parameters.items() for part in pair) + b"\0"
    return INT32.pack(len(body) + 4) + body


def query(statement: str) -> bytes:
    """A statement without parameters, with a Sync of its own."""
    return message(b"Q", _text(statement))


def unit(statement: str, params: Sequence[str | None] = (), *, describe: bool = False) -> bytes:
    """Parse, Bind and Execute of one unnamed statement. Without Describe the columns of its rows stay unknown."""
    values = b"".join(_value(param) for param in params)
    return (
        message(b"P", b"\0" + _text(statement) + b"\0\0")
        + message(b"B", b"\0\0\0\0" + INT16.pack(len(params)) + values + b"\0\0")
        + (DESCRIBE_PORTAL if describe else b"")
        + EXECUTE_ALL
    )


def password(response: bytes) -> bytes:
    """PasswordMessage, SASLResponse: whatever answers an Authentication message."""
    return message(b"p", response)


def sasl_initial_response(mechanism: str, first: bytes) -> bytes:
    """The choice of a mechanism, and SCRAM's client-first-message."""
    return message(b"p", _text(mechanism) + INT32.pack(len(first)) + first)


def fields(body: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse or a NoticeResponse, by their one-letter names. `C` and `M` are always there.

    What is no SQLSTATE becomes XX000 (internal error), because a SQLSTATE is logged.
    """
    found = {
        part[:1].decode("ascii", "replace"): part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part
    }
    state = found.get("C", "")
    return {"M": ""} | found | {"C": state if SQLSTATE.fullmatch(state) else "XX000"}


def texts(body: bytes) -> list[str]:
    """The strings of a message that has nothing else."""
    return [part.decode("utf-8", "replace") for part in body.split(b"\0")[:-1]]


def columns(body: bytes) -> list[tuple[str, int]]:
    """The columns of a RowDescription: name, and OID of the type."""
    [count], position, found = INT16.unpack_from(body), 2, []
    for _ in range(count):
        end = body.index(b"\0", position)
        found.append((body[position:end].decode(), INT32.unpack_from(body, end + 7)[0]))
        position = end + 19
    return found


def values(body: bytes) -> Iterator[str | None]:
    """The values of a DataRow, as text."""
    [count], position = INT16.unpack_from(body), 2
    for _ in range(count):
        [length] = INT32.unpack_from(body, position)
        position += 4
        if length < 0:
            yield None
            continue
        yield body[position : position + length].decode()
        position += length
    if position != len(body):
        raise ValueError("a row that ends elsewhere than its last value")


def _text(text: str) -> bytes:
    return text.encode() + b"\0"


def _value(value: str | None) -> bytes:
    if value is None:
        return b"\xff\xff\xff\xff"
    encoded = value.encode()
    return INT32.pack(len(encoded)) + encoded
