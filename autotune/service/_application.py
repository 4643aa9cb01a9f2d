"""The application: its parts put together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.staticfiles import StaticFiles

from autotune.errors import AutotuneError
from autotune.service._access import Access
from autotune.service._jobs_api import jobs_router
from autotune.service._limits import BodyLimit, RequestLimit
from autotune.service._metrics import metrics_router
from autotune.service._pages import dashboard_application, pages_router
from autotune.service._results_api import results_router
from autotune.service._settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def create_application(settings: ServiceSettings) -> FastAPI:
    """The service's HTTP interface: ``/v1`` for programs, ``/`` for people, the rest is Optuna's dashboard."""
    from importlib.metadata import version

    application = FastAPI(
        title="autotune",
        version=version("triton-autotune"),
        description="Tuning jobs for Triton Inference Server.",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        middleware=[
            Middleware(RequestLimit, most_per_minute=settings.most_requests_per_minute, tokens=settings.tokens),
            Middleware(BodyLimit, most_bytes=settings.most_body_bytes),
        ],
    )

    @application.middleware("http")
    async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    access = Access(settings.tokens)
    application.include_router(jobs_router(settings, access))
    application.include_router(results_router(settings, access))
    application.include_router(metrics_router(settings, access))
    application.include_router(pages_router(settings, access))
    application.add_exception_handler(AutotuneError, _database_failed)
    application.add_exception_handler(RequestValidationError, _invalid)
    application.mount("/static", StaticFiles(directory=Path(__file__).parent / "_page"))
    application.mount("/", dashboard_application(settings, access))
    return application


def _database_failed(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 503)


def _invalid(request: Request, error: Exception) -> Response:
    """The first of the errors, in one line."""
    first = cast("RequestValidationError", error).errors()[0]
    where = ".".join(map(str, first["loc"][1:])) or str(first["loc"][0])
    return JSONResponse({"detail": f"{where}: {first['msg']}"}, 422)
