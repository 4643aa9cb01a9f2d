"""The bodies of requests and answers; OpenAPI describes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from autotune.store import JobState

JobName = Annotated[str, Path(pattern="^job-[0-9a-f]{12}$")]
_Value = str | bool | int | float | list[str]


class JobRequest(BaseModel):
    """A job to submit."""

    model_config = ConfigDict(extra="forbid")
    repository: Annotated[str, Field(max_length=128, description="One of /v1/repositories.")]
    options: Annotated[
        dict[str, _Value],
        Field(
            max_length=50,
            description="Options of `autotune run` without dashes.",
            examples=[{"model": "mnist", "p99": "5ms", "time-budget": "2m"}],
        ),
    ]


class JobResponse(BaseModel):
    """A job."""

    name: str
    tenant: str
    submitted_by: str
    repository: str
    options: dict[str, Any]
    state: JobState
    message: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    starts: int
    configs: Annotated[list[str], Field(description="The models whose exported config can be read; once it is done.")]


class JobList(BaseModel):
    """Jobs, the newest first."""

    jobs: list[JobResponse]


class RepositoryResponse(BaseModel):
    """A model repository and its models."""

    name: str
    models: list[str]


class RepositoryList(BaseModel):
    """The repositories that jobs may name."""

    repositories: list[RepositoryResponse]


class Problem(BaseModel):
    """Why a request was refused, in one line."""

    detail: str


REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body is not text."},
    401: {"model": Problem, "description": "No valid token."},
    403: {"model": Problem, "description": "The token lacks the scope."},
    413: {"model": Problem, "description": "The body is too long."},
    422: {"model": Problem, "description": "Something in the request is wrong."},
    429: {"model": Problem, "description": "Too many requests, or too many unfinished jobs."},
    503: {"model": Problem, "description": "The database failed."},
}
"""Answers that every route below ``/v1`` may give."""

NO_JOB: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "No such job."}}
NOT_MADE: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "No such job, or none made yet."}}
