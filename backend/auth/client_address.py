"""Which address a request is counted for by the rate limits: the client's, as far as it can be trusted.

API Gateway's `sourceIp`, or locally the socket's peer, cannot be forged. Behind a proxy of one's own (CloudFront, or
the frontend's server) it is the proxy's address. Such a proxy proves itself by a secret, and gives the client's address
in a header. X-Forwarded-For is never read, because any client can write it.
"""

import hmac
import ipaddress
from typing import Annotated

from fastapi import Depends, Request

from backend.settings import Settings
from backend.web.parts import part

PROXY_SECRET_HEADER = "X-Proxy-Secret"  # noqa: S105  # the name of a header
CLOUDFRONT_HEADER = "cloudfront-viewer-address"
"""Its value is an address, a colon and a port, also for IPv6, without brackets.
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/adding-cloudfront-headers.html"""


async def client_address(request: Request, settings: Annotated[Settings, Depends(part(Settings))]) -> str | None:
    """The client's IP address. None if the connection has none, as on a unix socket."""
    return _from_trusted_proxy(request, settings) or (request.client.host if request.client else None)


ClientAddress = Annotated[str | None, Depends(client_address)]


def _from_trusted_proxy(request: Request, settings: Settings) -> str | None:
    """The address that a proxy with the secret names; None without the right secret or a well-formed address.

    A header that is sent twice has arrived as one line with a comma, and so is neither.
    """
    secret = settings.trusted_proxy_secret
    sent = request.headers.get(PROXY_SECRET_HEADER)
    if secret is None or sent is None:
        return None
    # As bytes, because compare_digest refuses text that is not ASCII. Headers are decoded as Latin-1.
    if not hmac.compare_digest(sent.encode("latin-1"), secret.get_secret_value().encode()):
        return None
    value = request.headers.get(settings.trusted_proxy_header, "")
    if settings.trusted_proxy_header.lower() == CLOUDFRONT_HEADER:
        value, _, port = value.rpartition(":")
        if not (port.isascii() and port.isdecimal()):
            return None
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return None
