"""Pages for people: the login, the list of jobs, and Optuna's dashboard behind the same login."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from a2wsgi import WSGIMiddleware
from fastapi import APIRouter
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response

from autotune.report.dashboard import dashboard_application as optuna_dashboard
from autotune.service._access import Access
from autotune.service._login import COOKIE, secret_of
from autotune.service._settings import ServiceSettings
from autotune.service._tokens import Scope

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope as Connection, Send

_PAGE = Path(__file__).parent / "_page"
_MONTH_S = 30 * 24 * 3600


def pages_router(settings: ServiceSettings, access: Access) -> APIRouter:
    """``/``, ``/login``, ``/logout`` and ``/healthz``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def show_jobs(request: Request) -> Response:
        page = "jobs.html" if access.find(secret_of(request)) else "login.html"
        return FileResponse(_PAGE / page)

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        from urllib.parse import parse_qs

        secret = parse_qs((await request.body()).decode(errors="replace")).get("token", [""])[0].strip()
        if access.find(secret) is None:
            return RedirectResponse("/?refused", 303)
        answer = RedirectResponse("/", 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, secret, max_age=_MONTH_S, httponly=True, samesite="strict", secure=secure)
        return answer

    @router.post("/logout")
    def log_out() -> Response:
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(COOKIE)
        return answer

    @router.get("/healthz")
    def health() -> dict[str, str]:
        settings.store.jobs().counts()
        return {"status": "ok"}

    return router


def dashboard_application(settings: ServiceSettings, access: Access) -> ASGIApp:
    """Optuna's dashboard, read-only. It shows every tenant's studies: for tokens with the scope admin."""
    dashboard = WSGIMiddleware(optuna_dashboard(settings.store, settings.results, read_only=True))  # type: ignore[arg-type]  # its WSGI types are its own

    async def answer(scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        connection = HTTPConnection(scope)
        token = access.find(secret_of(connection))
        if token is not None and token.may(Scope.ADMIN):
            # The dashboard brings scripts and styles of its own, some of them within the page.
            await dashboard(scope, receive, _with_dashboards_policy(send))  # type: ignore[arg-type]
        elif scope["path"].startswith(("/dashboard", "/api/", "/artifacts")):
            status, reason = (403, "the dashboard needs the scope 'admin'") if token else (401, "no valid token")
            await JSONResponse({"detail": reason}, status)(scope, receive, send)
        else:
            await JSONResponse({"detail": "Not Found"}, 404)(scope, receive, send)

    return answer


def _with_dashboards_policy(send: Send) -> Send:
    policy = (
        b"content-security-policy",
        b"default-src 'self' data: blob:; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'",
    )

    async def sending(message: object) -> None:
        if message["type"] == "http.response.start":  # type: ignore[index]
            message["headers"] = [*message.get("headers", []), policy]  # type: ignore[index, attr-defined]
        await send(message)  # type: ignore[arg-type]

    return sending
