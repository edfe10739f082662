"""The CA certificates that the bundle trusts, as a folder in which OpenSSL finds one without reading the others.

Loading the system's certificates takes a twelfth of a cold start. OpenSSL reads a hashed folder (`capath`) one file at
a time, when it needs it. It finds the file by its name: the hash of the certificate's subject, in a canonical form
(OpenSSL's `X509_NAME_hash_ex`), and a number for subjects with the same hash.
"""

import hashlib
import re
import ssl
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

FOLDER = "certificates"
"""In the bundle, beside `backend`."""
FILE_NAME = re.compile(r"[0-9a-f]{8}\.\d+")
PEM = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)

SEQUENCE, SET, UTF8, BMP, UNIVERSAL = 0x30, 0x31, 12, 30, 28
ENCODINGS = {UTF8: "utf-8", BMP: "utf-16-be", UNIVERSAL: "utf-32-be"}
TEXTS = {UTF8, BMP, UNIVERSAL, 19, 20, 22, 26}
"""The tags of the kinds of text in a name: UTF8, BMP, Universal, Printable, T61, IA5, Visible."""


def write_folder(bundle_of_certificates: str, folder: Path) -> None:
    """Write each certificate of a PEM file into a file of its own, named as OpenSSL looks for it."""
    folder.mkdir()
    seen: Counter[str] = Counter()
    for certificate in PEM.findall(bundle_of_certificates):
        name = subject_hash(ssl.PEM_cert_to_DER_cert(certificate))
        (folder / f"{name}.{seen[name]}").write_text(certificate, encoding="ascii")
        seen[name] += 1


def subject_hash(certificate: bytes) -> str:
    """The hash of a certificate's subject, as `openssl x509 -subject_hash` prints it.

    :param certificate: in DER
    """
    [whole] = _elements(certificate)
    [to_be_signed, *_] = _elements(whole[1])
    fields = [element for element in _elements(to_be_signed[1]) if element[0] != 0xA0]  # without the version
    subject = fields[4][1]  # serial number, signature, issuer, validity, subject (RFC 5280, 4.1)
    canonical = b"".join(_encoded(SET, _canonical_part(part)) for _, part in _elements(subject))
    return f"{int.from_bytes(hashlib.sha1(canonical, usedforsecurity=False).digest()[:4], 'little'):08x}"


def _canonical_part(part: bytes) -> bytes:
    """One relative distinguished name: text in lower case, with single spaces, as UTF-8."""
    attributes = []
    for _, attribute in _elements(part):
        [(oid_tag, oid), (tag, value)] = _elements(attribute)
        if tag in TEXTS:
            text = " ".join(value.decode(ENCODINGS.get(tag, "latin-1")).split())
            lower = "".join(each.lower() if each.isascii() else each for each in text)
            tag, value = UTF8, lower.encode()
        attributes.append(_encoded(SEQUENCE, _encoded(oid_tag, oid) + _encoded(tag, value)))
    return b"".join(sorted(attributes))


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of DER: tag and content."""
    position = 0
    while position < len(der):
        tag, length, content = der[position], der[position + 1], position + 2
        if length & 0x80:
            size = length & 0x7F
            length, content = int.from_bytes(der[content : content + size]), content + size
        yield tag, der[content : content + length]
        position = content + length


def _encoded(tag: int, content: bytes) -> bytes:
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    size = (len(content).bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + len(content).to_bytes(size) + content
