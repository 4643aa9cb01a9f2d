"""``/v1``: what a job made."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from starlette.responses import FileResponse, HTMLResponse, Response

from autotune.errors import UsageError
from autotune.service._access import Access
from autotune.service._jobs_api import job_finder, versioned_router
from autotune.service._runner import RESULT_FILE
from autotune.service._schemas import NOT_MADE, JobName
from autotune.service._settings import ServiceSettings
from autotune.service._tokens import Scope, Token


def results_router(settings: ServiceSettings, access: Access) -> APIRouter:
    """Result, config and report of a job."""
    router, found = versioned_router(access), job_finder(settings)
    reader = Depends(access.needs(Scope.READ))

    @router.get(
        "/jobs/{name}/result",
        response_class=FileResponse,
        responses={**NOT_MADE, 200: {"content": {"application/json": {}}}},
    )
    def get_result(name: JobName, token: Token = reader) -> FileResponse:
        """The result as ``autotune run --json`` prints it."""
        job = found(name, token)
        path = settings.directory(job.name) / RESULT_FILE
        if not job.state.final or not path.is_file() or not path.stat().st_size:
            raise HTTPException(404, "the job has no result yet")
        return FileResponse(path, media_type="application/json")

    @router.get(
        "/jobs/{name}/config",
        response_class=FileResponse,
        responses={**NOT_MADE, 200: {"content": {"text/plain": {}}}},
    )
    def get_config(
        name: JobName, token: Token = reader, model: Annotated[str | None, Query(max_length=512)] = None
    ) -> FileResponse:
        """The exported config.pbtxt; of ``model`` where several were tuned together."""
        configs = settings.configs(found(name, token).name)
        if model is None and len(configs) > 1:
            raise HTTPException(404, f"say which model: {', '.join(configs)}")
        path = next(iter(configs.values()), None) if model is None else configs.get(model)
        if path is None:
            raise HTTPException(404, "the job has no such config yet")
        return FileResponse(path, media_type="text/plain")

    @router.get(
        "/jobs/{name}/report", response_class=Response, responses={**NOT_MADE, 200: {"content": {"text/html": {}}}}
    )
    def get_report(name: JobName, token: Token = reader) -> Response:
        """The report of what was measured so far, as one HTML page."""
        page = _report(settings, found(name, token).name)
        if page is None:
            raise HTTPException(404, "the job has measured nothing yet")
        # Its scripts are within the page; the sandbox keeps them away from the cookie.
        return HTMLResponse(page, headers={"Content-Security-Policy": "sandbox allow-scripts allow-downloads"})

    return router


def _report(settings: ServiceSettings, study: str) -> str | None:
    from autotune import api

    try:
        return api.report(study=study, format="html", output="-", results=settings.results, storage=settings.storage)[0]
    except UsageError:
        return None
