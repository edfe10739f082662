"""SCRAM bound to the server's certificate, for every kind of certificate, compared with what libpq does."""

import hashlib
import re
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import certifi
import pytest

from backend.postgres import ConnectFailed, Connection, DatabaseUrl, LoginRefused, ServerNotTrusted
from backend.postgres.channel_binding import tls_server_end_point
from tests.support.database_copy import LOGIN_PASSWORD, DatabaseCopy
from tests.support.libpq import libpq_failure
from tests.support.pooler import Pooler
from tests.support.tls_postgres import ECDSA_P256, Certificate, TlsPostgres, require_openssl
from tests.support.tls_proxy import TlsProxy

RSA = ("-newkey", "rsa:2048")
PSS = ("-sigopt", "rsa_padding_mode:pss")
PSS_KEY = ("-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048")
PSS_DEFAULTS = (*PSS, "-sigopt", "rsa_pss_saltlen:20")
PSS_KEY_FOR_SHA384 = (*PSS_KEY, "-pkeyopt", "rsa_pss_keygen_md:sha384", "-pkeyopt", "rsa_pss_keygen_mgf1_md:sha384")

KINDS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "ECDSA P-256, SHA-256": (ECDSA_P256, "sha256"),
    "ECDSA P-384, SHA-384": (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha384"), "sha384"),
    "ECDSA P-521, SHA-512": (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521", "-sha512"), "sha512"),
    "ECDSA P-256, SHA-1": ((*ECDSA_P256, "-sha1"), "sha256"),
    "RSA, SHA-224": ((*RSA, "-sha224"), "sha224"),
    "RSA, SHA-256": ((*RSA, "-sha256"), "sha256"),
    "RSA, SHA-384": ((*RSA, "-sha384"), "sha384"),
    "RSA, SHA-512": ((*RSA, "-sha512"), "sha512"),
    "RSA, SHA-1": ((*RSA, "-sha1"), "sha256"),
    "RSA, MD5": ((*RSA, "-md5"), "sha256"),
    "RSA, SHA3-256": ((*RSA, "-sha3-256"), "sha3-256"),
    "RSA-PSS, SHA-256": ((*RSA, *PSS, "-sha256"), "sha256"),
    "RSA-PSS, SHA-384": ((*RSA, *PSS, "-sha384"), "sha384"),
    "RSA-PSS, SHA-512": ((*RSA, *PSS, "-sha512"), "sha512"),
    "RSA-PSS, SHA-1": ((*RSA, *PSS, "-sha1", "-sigopt", "rsa_pss_saltlen:30"), "sha256"),
    "RSA-PSS, no parameters, which means SHA-1": ((*RSA, *PSS_DEFAULTS, "-sha1"), "sha256"),
    "RSA-PSS with a key of its own": ((*PSS_KEY, "-sha256"), "sha256"),
    "RSA-PSS with a key for one hash function": ((*PSS_KEY_FOR_SHA384, "-sha384"), "sha384"),
    "Ed25519": (("-newkey", "ed25519"), None),
    "Ed448": (("-newkey", "ed448"), None),
}
"""How `openssl req` makes each, and the hash function that `tls-server-end-point` takes (RFC 5929, 4.1)."""

each_kind = pytest.mark.parametrize("kind", KINDS)
MakeCertificate = Callable[[str], Certificate]


@pytest.fixture(scope="module")
def make_certificate(tmp_path_factory: pytest.TempPathFactory) -> MakeCertificate:
    """Makes a certificate of a kind, once."""
    require_openssl()
    made: dict[str, Certificate] = {}

    def make(kind: str) -> Certificate:
        if kind not in made:
            made[kind] = Certificate.make(tmp_path_factory.mktemp("certificate"), *KINDS[kind][0])
        return made[kind]

    return make


@pytest.fixture
def server(tls_postgres: TlsPostgres) -> Iterator[TlsPostgres]:
    """The PostgreSQL with TLS, whose certificate the test may change."""
    yield tls_postgres
    tls_postgres.use()


def our_failure(url: str, ca_file: Path) -> ConnectFailed | None:
    """Log in as the application does, trusting these certificates alone. Gives the failure, if it is one."""
    try:
        with Connection(DatabaseUrl.parse(url, ca_file=str(ca_file))) as connection:
            assert connection.execute("select 1").rows == [[1]]
    except ConnectFailed as error:
        return error
    return None


class TestHash:
    """What the login is bound to, compared with OpenSSL's command."""

    @each_kind
    def test_is_taken_with_the_hash_function_of_the_signature(
        self, kind: str, make_certificate: MakeCertificate, tmp_path: Path
    ) -> None:
        certificate, hash_name = make_certificate(kind), KINDS[kind][1]

        bound_to = tls_server_end_point(certificate.der)

        if hash_name is None:
            assert bound_to is None
            return
        file = tmp_path / "certificate.der"
        file.write_bytes(certificate.der)
        command = ["openssl", "dgst", f"-{hash_name}", "-binary", str(file)]
        assert bound_to == subprocess.run(command, check=True, capture_output=True).stdout

    def test_of_a_public_certificate_is_its_published_fingerprint(self) -> None:
        published = "96BCEC06264976F37460779ACF28C5A7CFE8A3C0AAE11A8FFCEE05C0BDDF08C6"  # ISRG Root X1, letsencrypt.org
        assert published in [(tls_server_end_point(each) or b"").hex().upper() for each in public_certificates()]

    def test_is_found_for_every_public_certificate(self) -> None:
        require_openssl()
        command = ["openssl", "storeutl", "-certs", "-noout", "-text", certifi.where()]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        algorithms = re.findall(r"Data:.*?Signature Algorithm: (\S+)", shown, re.DOTALL)

        bound_to = [tls_server_end_point(certificate) for certificate in public_certificates()]

        assert bound_to == [
            hashlib.new(HASHES_OF_PUBLIC_CERTIFICATES[algorithm], certificate).digest()
            for algorithm, certificate in zip(algorithms, public_certificates(), strict=True)
        ]


HASHES_OF_PUBLIC_CERTIFICATES = {
    "sha1WithRSAEncryption": "sha256",
    "sha256WithRSAEncryption": "sha256",
    "sha384WithRSAEncryption": "sha384",
    "sha512WithRSAEncryption": "sha512",
    "ecdsa-with-SHA256": "sha256",
    "ecdsa-with-SHA384": "sha384",
    "ecdsa-with-SHA512": "sha512",
}
"""By the signature's algorithm, as OpenSSL names it."""


def public_certificates() -> list[bytes]:
    """The certificates of the public authorities, which have been made by many different programs."""
    blocks = re.findall("-----BEGIN.*?END CERTIFICATE-----", Path(certifi.where()).read_text(), re.DOTALL)
    assert len(blocks) > 100
    return [ssl.PEM_cert_to_DER_cert(block) for block in blocks]


class TestLogin:
    """With each kind of certificate, as libpq does it."""

    @each_kind
    @pytest.mark.parametrize("verification", ["require", "verify-full"])
    def test_succeeds_where_libpq_succeeds(
        self,
        kind: str,
        verification: str,
        server: TlsPostgres,
        tls_database: DatabaseCopy,
        make_certificate: MakeCertificate,
    ) -> None:
        certificate = make_certificate(kind)
        server.use(certificate)
        trusted = None if verification == "require" else certificate.file
        libpq, ours = {}, {}

        for binding in ("disable", "prefer", "require"):
            url = f"{tls_database.url}?sslmode={verification}&channel_binding={binding}"
            libpq[binding] = libpq_failure(server.binary("psql"), url, ca_file=trusted) is None
            ours[binding] = our_failure(url, certificate.file) is None

        has_hash = KINDS[kind][1] is not None
        assert libpq == {"disable": True, "prefer": has_hash, "require": has_hash}
        assert ours == {"disable": True, "prefer": True, "require": has_hash}

    def test_says_that_a_certificate_has_nothing_to_bind_to(
        self, server: TlsPostgres, tls_database: DatabaseCopy, make_certificate: MakeCertificate
    ) -> None:
        certificate = make_certificate("Ed25519")
        server.use(certificate)

        failure = our_failure(f"{tls_database.url}?sslmode=require&channel_binding=require", certificate.file)

        assert isinstance(failure, ServerNotTrusted)
        assert str(failure) == "channel_binding=require, but the certificate's signature has no hash to bind to"


class TestReEncryptingProxy:
    """Between client and server, with a certificate that the client trusts: only a bound login notices it."""

    @pytest.mark.parametrize("negotiation", ["postgres", "direct"])
    @pytest.mark.parametrize("kind", ["ECDSA P-256, SHA-256", "RSA, SHA-512", "Ed25519"])
    def test_is_refused_by_a_bound_login_and_by_no_other(
        self,
        kind: str,
        negotiation: str,
        tls_postgres: TlsPostgres,
        tls_database: DatabaseCopy,
        make_certificate: MakeCertificate,
    ) -> None:
        certificate = make_certificate(kind)
        libpq, ours = {}, {}
        with TlsProxy(certificate, tls_postgres.port) as proxy:
            assert certificate.der != tls_postgres.certificate.der
            there = tls_database.url.replace(f":{tls_postgres.port}/", f":{proxy.port}/")
            for binding in ("disable", "prefer", "require"):
                url = f"{there}?sslmode=verify-full&channel_binding={binding}&sslnegotiation={negotiation}"
                libpq[binding] = libpq_failure(tls_postgres.binary("psql"), url, ca_file=certificate.file) is None
                ours[binding] = our_failure(url, certificate.file) is None

            assert libpq == {"disable": True, "prefer": False, "require": False}
            assert ours == {"disable": True, "prefer": True, "require": False}
            assert proxy.connections == 6  # a refusal is final
            assert LOGIN_PASSWORD.encode() not in proxy.received

    def test_is_an_error_for_the_operator(
        self, tls_postgres: TlsPostgres, tls_database: DatabaseCopy, make_certificate: MakeCertificate
    ) -> None:
        certificate = make_certificate("RSA, SHA-256")
        with TlsProxy(certificate, tls_postgres.port) as proxy:
            there = tls_database.url.replace(f":{tls_postgres.port}/", f":{proxy.port}/")

            failure = our_failure(f"{there}?sslmode=require&channel_binding=require", certificate.file)

        assert isinstance(failure, LoginRefused)
        assert failure.needs_operator


class TestServerWithoutBinding:
    """PgBouncer, which has no SCRAM-SHA-256-PLUS."""

    @pytest.mark.parametrize(("binding", "is_in"), [("disable", True), ("prefer", True), ("require", False)])
    def test_is_refused_only_where_binding_is_required(
        self, binding: str, is_in: bool, tls_postgres: TlsPostgres, shared_database: DatabaseCopy, pooler: Pooler
    ) -> None:
        url = pooler.url(shared_database, more=f"&channel_binding={binding}")

        libpq = libpq_failure(tls_postgres.binary("psql"), url, ca_file=pooler.ca_file)
        ours = our_failure(url, pooler.ca_file)

        assert (libpq is None, ours is None) == (is_in, is_in)
        assert is_in or isinstance(ours, ServerNotTrusted)
