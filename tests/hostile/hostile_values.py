"""Values that have broken servers before: bodies, media types, paths, ids and methods."""

import json

from tests.hostile.contract_check import SECRET_MARK
from tests.web.test_bodies import padded

TASK = '{"title": "Buy milk"}'
NOT_JSON: dict[str, bytes] = {
    "empty": b"",
    "white space": b" \r\n\t ",
    "only a byte order mark": b"\xef\xbb\xbf",
    "binary": bytes(range(256)),
    "zeros": bytes(64),
    "not UTF-8": b'{"title": "\xff\xfe"}',
    "overlong UTF-8": b'{"title": "\xc0\xaf"}',
    "a surrogate as UTF-8": b'{"title": "\xed\xa0\x80"}',
    "cut in a character": '{"title": "é'.encode()[:-1],
    "UTF-16": TASK.encode("utf-16"),
    "UTF-16, big end first, unmarked": TASK.encode("utf-16-be"),
    "UTF-16, little end first, unmarked": TASK.encode("utf-16-le"),
    "UTF-32": TASK.encode("utf-32"),
    "UTF-32, unmarked": TASK.encode("utf-32-be"),
    "UTF-7": b"+AHs-+ACI-title+ACI-: 1}",
    "NaN": b'{"title": "Buy milk", "padding": NaN}',
    "Infinity": b'{"title": "Buy milk", "padding": [Infinity]}',
    "-Infinity": b"-Infinity",
    "an endless number": b'{"title": "Buy milk", "padding": 1' + b"0" * 5000 + b"}",
    "60,000 arrays": b"[" * 60_000,
    "10,000 objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "closed but deep": b"[" * 30_000 + b"]" * 30_000,
    "more after it": TASK.encode() + b'{"title": "again"}',
    "a zero after it": TASK.encode() + b"\0",
    "a trailing comma": b'{"title": "Buy milk",}',
    "a comment": b'{"title": "Buy milk" /* ' + SECRET_MARK.encode() + b" */}",
    "single quotes": b"{'title': 'Buy milk'}",
    "a raw line break": b'{"title": "Buy\nmilk"}',
    "a form": b"title=Buy+milk",
    "multipart": b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nmilk\r\n--x--\r\n',
    "XML": b'<?xml version="1.0"?><!DOCTYPE t [<!ENTITY e SYSTEM "file:///etc/passwd">]><t>&e;</t>',
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
}
"""Bodies that are 400, whichever JSON media type they are declared as."""

NOT_A_TASK: dict[str, bytes] = {
    "null": b"null",
    "a number": b"1e999",
    "text": json.dumps(SECRET_MARK).encode(),
    "a list": b"[]",
    "no title": b"{}",
    "a huge number": b'{"title": ' + b"9" * 4000 + b"}",
    "an infinite number": b'{"title": 1e999}',
    "a list for text": b'{"title": ["Buy milk"]}',
    "an object for text": b'{"title": {"$gt": ""}}',
    "deep, but JSON": b'{"title": ' + b"[" * 500 + b"]" * 500 + b"}",
    "half a surrogate pair": b'{"title": "\\ud800"}',
    "U+0000": b'{"title": "\\u0000"}',
    "a line break in a title": b'{"title": "Buy milk\\r\\nX-Injected: 1"}',
    "a terminal's escape": b'{"title": "\\u001b[2J\\u001b]0;x\\u0007"}',
    "zero width": b'{"title": "\\u200b\\ufeff\\u200d"}',
    "a Hangul filler": b'{"title": "\\u3164"}',
    "combining marks without a letter": b'{"title": "\\u0301\\u0489\\u20dd"}',
    "invisible tags": b'{"title": "\\udb40\\udc01\\udb40\\udc41"}',
    "title twice, the last one wrong": b'{"title": "Buy milk", "title": null}',
    "too long": json.dumps({"title": SECRET_MARK * 20, "description": "x" * 3000}).encode(),
    "unknown members": json.dumps({"__proto__": {"title": "x"}, "constructor": SECRET_MARK}).encode(),
    "many members": json.dumps({f"member {number}": number for number in range(2000)}).encode(),
}
"""Bodies that are JSON, and 422 as a task."""

TASKS: dict[str, bytes] = {
    "as it should be": TASK.encode(),
    "marked as UTF-8": b"\xef\xbb\xbf" + TASK.encode(),
    "with an escaped character": b'{"title": "\\u0042uy milk \\ud83d\\ude00"}',
    "marks without end": json.dumps({"title": "Z" + "\u0301" * 199}).encode(),
    "right to left": b'{"title": "\\u202eklim yuB"}',
    "title twice, the last one right": b'{"title": null, "title": "Buy milk"}',
    "as large as a body may be": padded(64 * 1024),
    "with unknown members": json.dumps({"title": "Buy milk", "user_id": 1, "id": None, "": []}).encode(),
    "with a number that is not read": b'{"title": "Buy milk", "padding": 1e999}',
}
"""Bodies that are tasks in unusual JSON."""

JSON_TYPES = [
    b"application/json",
    b"application/json; charset=utf-8",
    b"application/json;charset=utf-16",  # JSON is UTF-8 and has no charset: RFC 8259, 11
    b"APPLICATION/JSON",
    b"application/json; boundary=x; ; =; \xff",
    b"application/vnd.x+json",
    b"application/problem+json",
]
OTHER_TYPES = [
    b"",
    b" ",
    b"json",
    b"/",
    b"application/",
    b"application/json, application/json",
    b"application/jsonp",
    b"text/json",
    b"text/plain",
    b"application/octet-stream",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=x",
    b"multipart/form-data",
    b'"application/json"',
    b"\xff\xfe",
    b"x" * 60_000,
]

UNKNOWN_TARGETS = [
    *(b"/api/task", b"/API/TASKS", b"/api//tasks", b"//api/tasks", b"/api/tasks/../tasks", b"/api/./tasks"),
    *(b"/api%2Ftasks%2Fx%2Fy", b"/%00", b"/%0d%0aX-Injected:%201", b"/%", b"/%zz", b"/%ff%fe", b"/%c0%ae%c0%ae/etc"),
    *(b"/%2e%2e/%2e%2e/etc/passwd", b"/..%2f..%2f.env", b"/..;/api/tasks", b"/api\\tasks", b"/" + b"a" * 10_000),
    *(b"/" + b"%41" * 5_000, b"/" + b"a/" * 5_000, b"*", b"todo.example:443", b"http://todo.example/api/tasks"),
    *(b"/{task_id}", b"/${jndi:ldap://x}", b"/api/tasks%00", b"/api/tasks%20", b"/api/tasks%3Fx=1", b"/?x/../api"),
]
"""Paths that do not exist. Only the last one does: it is the root's path with a query."""

NOT_IDS = [
    *("1", "-1", "0x10", "null", "%00", "%20", "x" * 4_000, "%F0%9F%98%80", "%ff", "';drop%20table%20tasks;--", "*"),
    *("0189000000007000800000000000000" + "0", "urn:uuid:01890000-0000-7000-8000-000000000000"),
    *(
        "%7B01890000-0000-7000-8000-000000000000%7D",
        "01890000-0000-7000-8000-00000000000",
        "0189%D9%A000-0000-7000-8000",
    ),
    *(
        "01890000-0000-7000-8000-000000000000%0A",
        "%2001890000-0000-7000-8000-000000000000",
        "018900000-000-7000-8000-00",
    ),
]

OTHER_METHODS = [
    *(
        b"TRACE",
        b"OPTIONS",
        b"PROPFIND",
        b"PURGE",
        b"QUERY",
        b"get",
        b"Post",
        b"G",
        b"X" * 5_000,
        b"!#$%&'*+-.^_`|~",
    ),
    *(b"DELETE", b"PATCH"),
]
"""Methods that the list of tasks does not have."""
