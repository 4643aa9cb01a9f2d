"""``/v1``: submit, list, watch and cancel jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Security
from starlette.responses import StreamingResponse

from autotune.errors import UsageError
from autotune.repository import ModelRepository
from autotune.service._access import Access
from autotune.service._events import job_events
from autotune.service._job_options import check_job
from autotune.service._schemas import (
    NO_JOB,
    REFUSALS,
    JobList,
    JobName,
    JobRequest,
    JobResponse,
    RepositoryList,
    RepositoryResponse,
)
from autotune.service._settings import ServiceSettings
from autotune.service._tokens import Scope, Token
from autotune.store import Job, JobState, TooManyJobs


def versioned_router(access: Access) -> APIRouter:
    """A router below ``/v1``, where every route needs a token."""
    return APIRouter(prefix="/v1", responses=REFUSALS, dependencies=[Security(scheme) for scheme in access.schemes])


def job_finder(settings: ServiceSettings) -> Callable[[str, Token], Job]:
    """Finds a job that a token sees, or answers 404."""
    jobs = settings.store.jobs()

    def found(name: str, token: Token) -> Job:
        job = jobs.find(name, token.sees)
        if job is None:
            raise HTTPException(404, f"there is no job {name!r}")
        return job

    return found


def jobs_router(settings: ServiceSettings, access: Access) -> APIRouter:
    """Repositories and jobs."""
    router, jobs, found = versioned_router(access), settings.store.jobs(), job_finder(settings)
    reader, submitter = Depends(access.needs(Scope.READ)), Depends(access.needs(Scope.SUBMIT))

    def response(job: Job) -> JobResponse:
        configs = settings.configs(job.name) if job.state is JobState.DONE else ()
        return JobResponse.model_validate({**vars(job), "configs": list(configs)})

    @router.get("/repositories")
    def list_repositories(token: Token = reader) -> RepositoryList:
        """The repositories that jobs may name, and their models."""
        return RepositoryList(
            repositories=[
                RepositoryResponse(name=name, models=sorted(ModelRepository(path).names()))
                for name, path in settings.repositories.items()
            ]
        )

    @router.post("/jobs", status_code=201)
    def submit(wanted: JobRequest, token: Token = submitter) -> JobResponse:
        """Adds a job to the queue."""
        repository = settings.repositories.get(wanted.repository)
        if repository is None:
            raise HTTPException(422, f"repository: there is no {wanted.repository!r}; /v1/repositories lists them")
        try:
            options = check_job(repository, wanted.options)
            job = jobs.submit(token.tenant, token.name, wanted.repository, options, settings.most_unfinished)
        except UsageError as error:
            raise HTTPException(422, str(error)) from error
        except TooManyJobs:
            reason = f"tenant {token.tenant!r} has {settings.most_unfinished} unfinished jobs"
            raise HTTPException(429, reason, {"Retry-After": "60"}) from None
        return response(job)

    @router.get("/jobs")
    def list_jobs(
        token: Token = reader, state: JobState | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> JobList:
        """The tenant's jobs, the newest first."""
        return JobList(jobs=[response(job) for job in jobs.newest(token.sees, state, limit)])

    @router.get("/jobs/{name}", responses=NO_JOB)
    def get_job(name: JobName, token: Token = reader) -> JobResponse:
        """One job."""
        return response(found(name, token))

    @router.post("/jobs/{name}/cancel", responses=NO_JOB)
    def cancel(name: JobName, token: Token = submitter) -> JobResponse:
        """Cancels a job; what it measured is kept. A job that has ended does not change."""
        jobs.cancel(found(name, token).name)
        return response(found(name, token))

    @router.get(
        "/jobs/{name}/events",
        response_class=StreamingResponse,
        responses={**NO_JOB, 200: {"content": {"text/event-stream": {}}}},
    )
    def watch(
        name: JobName,
        token: Token = reader,
        after: Annotated[int, Query(ge=0)] = 0,
        last_event_id: Annotated[int | None, Header(ge=0)] = None,
    ) -> StreamingResponse:
        """Server-sent events until the job ends: ``state``, and ``progress`` as ``--log-json`` writes it.

        ``after`` skips so many lines of progress; so does ``Last-Event-ID``, which browsers send when they reconnect.
        """
        job = found(name, token)
        skipped = after if last_event_id is None else last_event_id
        events = job_events(jobs, job.name, settings.directory(job.name), skipped)
        return StreamingResponse(events, media_type="text/event-stream")

    return router
