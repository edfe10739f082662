"""The API to compare with: the same answers, written without this project's optimisations.

It uses stock pg8000, ORM rows, `response_model` and dependencies with `yield`. Tables, schemas, tokens, passwords and
gzip are this project's. Work that the same answers do not need is left out: rate limits, row level security,
`If-Match`, the limit of tasks, the access log. A complete application written like this would be slower.

It has three variants, one for each `Driver`.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import text
from sqlmodel import Session, SQLModel, col, select
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from backend.app import CORS_EXPOSED_HEADERS, CORS_METHODS, CORS_REQUEST_HEADERS, GZIP_MINIMUM_BYTES
from backend.auth import passwords
from backend.auth.models import RefreshToken, User
from backend.auth.schemas import AuthResponse, Refresh, SignedOut, SignIn, SignUp, UserPublic
from backend.auth.service import EmailTaken, WrongCredentials
from backend.auth.tokens import InvalidToken, Kind, Tokens
from backend.errors import NotAuthenticated
from backend.settings import Settings
from backend.tasks.models import Task
from backend.tasks.schemas import TaskCreate, TaskPublic, TaskUpdate
from backend.tasks.service import TaskNotFound
from backend.web import parts
from backend.web.status import Health
from benchmarks.drivers import Driver, StockDatabase

Row = TypeVar("Row", bound=SQLModel)


def create_stock_app(settings: Settings, driver: Driver = Driver.PG8000) -> FastAPI:
    """The stock application for these settings."""
    app = FastAPI(
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=settings.frontend_url,
                allow_credentials=True,
                allow_methods=CORS_METHODS,
                allow_headers=CORS_REQUEST_HEADERS,
                expose_headers=CORS_EXPOSED_HEADERS,
            ),
            Middleware(GZipMiddleware, minimum_size=GZIP_MINIMUM_BYTES, compresslevel=4),
        ]
    )
    tokens = Tokens(settings.better_auth_secret.get_secret_value())
    parts.install(app, settings, StockDatabase(settings, driver), tokens)
    app.include_router(router)
    return app


router = APIRouter(prefix="/api")


def open_session(request: Request) -> Iterator[Session]:
    """A session for the request, closed after the response."""
    with Session(parts.part_of(request.app, StockDatabase).engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(open_session)]
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


def current_sign_in(request: Request, session: SessionDep, credentials: Credentials) -> RefreshToken:
    """The sign-in that the request's access token belongs to. 401 when there is none, or when it has ended."""
    try:
        claims = parts.part_of(request.app, Tokens).verify(credentials.credentials if credentials else "", Kind.ACCESS)
    except InvalidToken:
        raise _refusal() from None
    return _sign_in(session, claims.sid, claims.user_id)


CurrentSignIn = Annotated[RefreshToken, Depends(current_sign_in)]


@router.get("/tasks", response_model=list[TaskPublic])
def list_tasks(session: SessionDep, sign_in: CurrentSignIn) -> Sequence[Task]:
    query = select(Task).where(Task.user_id == sign_in.user_id).order_by(col(Task.created_at), col(Task.id))
    return session.exec(query).all()


@router.post("/tasks", status_code=201, response_model=TaskPublic)
def create_task(body: TaskCreate, session: SessionDep, sign_in: CurrentSignIn) -> Task:
    task = Task(title=body.title, description=body.description or None, user_id=sign_in.user_id)
    return _stored(session, task)


@router.get("/tasks/{task_id}", response_model=TaskPublic)
def get_task(task_id: UUID, session: SessionDep, sign_in: CurrentSignIn) -> Task:
    return _task_of(session, task_id, sign_in)


@router.put("/tasks/{task_id}", response_model=TaskPublic)
def edit_task(task_id: UUID, body: TaskUpdate, session: SessionDep, sign_in: CurrentSignIn) -> Task:
    task = _task_of(session, task_id, sign_in)
    for name, value in body.changes().items():
        setattr(task, name, value)
    return _stored(session, task)


@router.patch("/tasks/{task_id}/toggle", response_model=TaskPublic)
def toggle_task(task_id: UUID, session: SessionDep, sign_in: CurrentSignIn) -> Task:
    task = _task_of(session, task_id, sign_in)
    task.completed = not task.completed
    return _stored(session, task)


@router.delete("/tasks/{task_id}", status_code=204)
def delete_task(task_id: UUID, session: SessionDep, sign_in: CurrentSignIn) -> None:
    session.delete(_task_of(session, task_id, sign_in))
    session.commit()


@router.post("/auth/signup", status_code=201)
def sign_up(body: SignUp, request: Request, session: SessionDep) -> AuthResponse:
    if session.exec(select(User).where(User.email == body.email)).one_or_none():
        raise HTTPException(409, EmailTaken.message)
    password_hash = passwords.hash_password(body.password)
    user = _stored(session, User(email=body.email, password_hash=password_hash, name=body.display_name))
    return _response(request, user, _stored(session, _new_sign_in(request, user)))


@router.post("/auth/signin")
def sign_in(body: SignIn, request: Request, session: SessionDep) -> AuthResponse:
    user = session.exec(select(User).where(User.email == body.email)).one_or_none()
    if not passwords.verify_password(body.password, user.password_hash if user else None) or user is None:
        raise _refusal(WrongCredentials.message)
    return _response(request, user, _stored(session, _new_sign_in(request, user)))


@router.post("/auth/refresh")
def refresh(body: Refresh, request: Request, session: SessionDep) -> AuthResponse:
    try:
        claims = parts.part_of(request.app, Tokens).verify(body.refresh_token, Kind.REFRESH)
    except InvalidToken:
        raise _refusal() from None
    sign_in = _sign_in(session, claims.sid, claims.user_id)
    user = session.get_one(User, sign_in.user_id)
    if sign_in.current_jti != claims.jti:
        sign_in.revoked_at = datetime.now(UTC)
        _stored(session, sign_in)
        raise _refusal()
    rotated = _new_sign_in(request, user)
    sign_in.previous_jti, sign_in.current_jti = sign_in.current_jti, rotated.current_jti
    sign_in.rotated_at, sign_in.expires_at = rotated.rotated_at, rotated.expires_at
    return _response(request, user, _stored(session, sign_in))


@router.post("/auth/signout")
def sign_out(session: SessionDep, sign_in: CurrentSignIn) -> SignedOut:
    sign_in.revoked_at = datetime.now(UTC)
    _stored(session, sign_in)
    return SignedOut(detail="Signed out")


@router.get("/health")
def health(session: SessionDep) -> Health:
    session.connection().execute(text("select 1"))
    return Health(status="ok")


def _stored(session: Session, row: Row) -> Row:
    session.add(row)
    session.commit()
    session.refresh(row)
    return row


def _task_of(session: Session, task_id: UUID, sign_in: RefreshToken) -> Task:
    task = session.exec(select(Task).where(Task.id == task_id, Task.user_id == sign_in.user_id)).one_or_none()
    if task is None:
        raise HTTPException(404, TaskNotFound.message)
    return task


def _sign_in(session: Session, sign_in_id: UUID, user_id: UUID) -> RefreshToken:
    found = session.exec(
        select(RefreshToken).where(
            RefreshToken.id == sign_in_id,
            RefreshToken.user_id == user_id,
            col(RefreshToken.revoked_at).is_(None),
            RefreshToken.expires_at > datetime.now(UTC),
        )
    ).one_or_none()
    if found is None:
        raise _refusal()
    return found


def _new_sign_in(request: Request, user: User) -> RefreshToken:
    now, lifetime = datetime.now(UTC), timedelta(days=parts.part_of(request.app, Settings).refresh_token_expire_days)
    return RefreshToken(user_id=user.id, current_jti=uuid4(), rotated_at=now, rotations=[], expires_at=now + lifetime)


def _response(request: Request, user: User, sign_in: RefreshToken) -> AuthResponse:
    tokens = parts.part_of(request.app, Tokens)
    owner: dict[str, Any] = {"user_id": user.id, "sign_in_id": sign_in.id}
    now, lasts = int(time.time()), parts.part_of(request.app, Settings).access_token_expire_minutes * 60
    issued, expires = int(sign_in.rotated_at.timestamp()), int(sign_in.expires_at.timestamp())
    return AuthResponse(
        user=UserPublic.model_validate(user),
        access_token=tokens.sign(Kind.ACCESS, **owner, issued_at=now, expires_at=now + lasts),
        refresh_token=tokens.sign(
            Kind.REFRESH, **owner, token_id=sign_in.current_jti, issued_at=issued, expires_at=expires
        ),
        token_type="bearer",
        expires_in=lasts,
    )


def _refusal(detail: str = NotAuthenticated.message) -> HTTPException:
    return HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})
