"""The auth endpoints. They translate between HTTP and the service."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request

from backend.auth.client_address import ClientAddress
from backend.auth.current_user import Credentials
from backend.auth.schemas import AuthResponse, Refresh, SignedOut, SignIn, SignOut, SignUp
from backend.auth.service import AuthService, EmailTaken, WrongCredentials
from backend.auth.tokens import Kind
from backend.errors import (
    MalformedRequest,
    NotAuthenticated,
    PayloadTooLarge,
    RateLimited,
    Unavailable,
    Unprocessable,
)
from backend.web.openapi import error_responses
from backend.web.parts import part
from backend.web.routing import ApiRoute

BODY_ERRORS = (MalformedRequest, PayloadTooLarge, Unprocessable)

router = APIRouter(prefix="/api/auth", tags=["auth"], route_class=ApiRoute)

Auth = Annotated[AuthService, Depends(part(AuthService))]
OptionalSignOut = Annotated[SignOut, Body(default_factory=SignOut)]


@router.post(
    "/signup",
    status_code=201,
    summary="Create an account and sign in",
    response_description="The new account, signed in.",
    responses=error_responses(*BODY_ERRORS, EmailTaken, RateLimited, Unavailable),
)
def sign_up(body: SignUp, auth: Auth, address: ClientAddress, request: Request) -> AuthResponse:
    """Creates an account. The answer is that of a sign-in. Without a `name`, the first part of the e-mail is taken."""
    signed_in = auth.sign_up(email=body.email, password=body.password, name=body.display_name, address=address)
    return _log_user(request, signed_in)


@router.post(
    "/signin",
    summary="Sign in",
    response_description="Signed in.",
    responses=error_responses(*BODY_ERRORS, WrongCredentials, RateLimited, Unavailable),
)
def sign_in(body: SignIn, auth: Auth, address: ClientAddress, request: Request) -> AuthResponse:
    """Exchanges an e-mail and a password for an access token and a refresh token."""
    return _log_user(request, auth.sign_in(email=body.email, password=body.password, address=address))


@router.post(
    "/refresh",
    summary="Exchange a refresh token for a new pair",
    response_description="A new pair of tokens.",
    responses=error_responses(*BODY_ERRORS, NotAuthenticated, RateLimited, Unavailable),
)
def refresh(body: Refresh, auth: Auth, request: Request) -> AuthResponse:
    """Gives a new access token, and a new refresh token that replaces the one presented.

    Using a replaced refresh token again ends the sign-in. Only for some seconds after the exchange it gives the same
    successor once more, so that several tabs may refresh at once.
    """
    return _log_user(request, auth.refresh(refresh_token=body.refresh_token))


@router.post(
    "/signout",
    summary="Sign out",
    response_description="Signed out.",
    responses=error_responses(*BODY_ERRORS, NotAuthenticated, Unavailable),
    openapi_extra={"security": [{}]},  # besides the access token's: a refresh token in the body is enough
)
def sign_out(auth: Auth, credentials: Credentials, request: Request, body: OptionalSignOut) -> SignedOut:
    """Ends this sign-in: both of its tokens stop working at once. Other sign-ins of the same user stay.

    With a `refresh_token` in the body it is that token's sign-in, even if the access token is missing or has expired.
    """
    if body.refresh_token is not None:
        user_id = auth.sign_out(body.refresh_token, Kind.REFRESH)
    elif credentials:
        user_id = auth.sign_out(credentials.credentials, Kind.ACCESS)
    else:
        raise NotAuthenticated
    request.state.user_id = str(user_id)  # for the access log
    return SignedOut(detail="Signed out")


def _log_user(request: Request, signed_in: AuthResponse) -> AuthResponse:
    request.state.user_id = str(signed_in.user.id)  # for the access log
    return signed_in
