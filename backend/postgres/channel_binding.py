"""What SCRAM-SHA-256-PLUS binds a login to: the hash of the server's certificate (`tls-server-end-point`, RFC 5929, 4).

The certificate's signature names the hash function; MD5 and SHA-1 count as SHA-256. Only that much of the certificate
is read: it has been verified by then, or the connection would not be there.
"""

import hashlib

# object identifiers, in DER without tag and length
_RSA = bytes.fromhex("2a864886f70d0101")
_ECDSA = bytes.fromhex("2a8648ce3d04")
_NIST_HASH, _NIST_SIGNATURE = (bytes.fromhex("60864801650304") + bytes([arc]) for arc in (2, 3))
_SHA3 = ("sha3_224", "sha3_256", "sha3_384", "sha3_512")
_SHA1 = bytes.fromhex("2b0e03021a")
RSA_PSS = _RSA + b"\x0a"
HASHES = {
    **dict.fromkeys((_RSA + b"\x04", _RSA + b"\x05", _ECDSA + b"\x01", _SHA1), "sha256"),  # MD5, and three of SHA-1
    **{_RSA + bytes([last]): name for last, name in enumerate(("sha256", "sha384", "sha512", "sha224"), 11)},
    **{_ECDSA + bytes([3, last]): name for last, name in enumerate(("sha224", "sha256", "sha384", "sha512"), 1)},
    **{_NIST_HASH + bytes([last]): name for last, name in enumerate(("sha256", "sha384", "sha512", "sha224"), 1)},
    **{_NIST_HASH + bytes([last]): name for last, name in enumerate(_SHA3, 7)},
    **{_NIST_SIGNATURE + bytes([last]): name for last, name in enumerate(_SHA3 * 2, 9)},  # ECDSA, then RSA
}
"""By the signature's algorithm, and for RSA-PSS by the hash function that its parameters name."""


def tls_server_end_point(certificate: bytes) -> bytes | None:
    """The hash of a certificate in DER. None where its signature has no hash function, as Ed25519 has none."""
    _, body, _ = _element(certificate, 0)
    _, _, end = _element(body, 0)  # tbsCertificate
    _, algorithm, _ = _element(body, end)
    _, identifier, end = _element(algorithm, 0)
    name = _pss_hash(algorithm[end:]) if identifier == RSA_PSS else HASHES.get(identifier)
    return hashlib.new(name, certificate).digest() if name else None


def _pss_hash(parameters: bytes) -> str | None:
    """The hash function of RSA-PSS parameters (RFC 4055, 3.1). Left out, it is SHA-1."""
    _, fields, _ = _element(parameters, 0)
    if not fields.startswith(b"\xa0"):  # [0] hashAlgorithm
        return "sha256"
    _, tagged, _ = _element(fields, 0)
    _, algorithm, _ = _element(tagged, 0)
    _, identifier, _ = _element(algorithm, 0)
    return HASHES.get(identifier)


def _element(der: bytes, start: int) -> tuple[int, bytes, int]:
    """The element at `start`: its tag, its content, and where the next one begins."""
    length, content = der[start + 1], start + 2
    if length & 0x80:
        size = length & 0x7F
        length, content = int.from_bytes(der[content : content + size]), content + size
    return der[start], der[content : content + length], content + length
