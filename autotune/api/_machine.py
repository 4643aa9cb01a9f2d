"""This machine: what it has, what it is doing, and what runs left on it."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.request import (
    ComparisonRequest,
    ExperimentRequest,
    MeasureRequest,
    RunRequest,
)

if TYPE_CHECKING:
    from autotune.environment import Environment
    from autotune.repository import ModelSpec
    from autotune.server import Diagnosis, Launcher, Leftover


def doctor(
    *,
    model_repository: str | Path | None = None,
    image: str | None = None,
    triton_path: str | Path | None = None,
    url: str | None = None,
) -> list[Diagnosis]:
    """The machine, the files of a model repository, and what each launch mode finds here and what is missing."""
    from autotune.server import LaunchOptions, diagnose

    options = LaunchOptions(image=image, triton_path=Path(triton_path) if triton_path else None, url=url)
    return diagnose(options, Path(model_repository) if model_repository else None)


def clean(*, results: str | Path = "results", dry_run: bool = False) -> list[Leftover]:
    """Finds what runs left that were killed, and removes it unless ``dry_run``.

    That is: repositories staged in the results directory, and on this machine processes, shared memory, temporary
    directories and containers. What belongs to a run that lives, or to another user, is left out.
    """
    from autotune.cluster import abandoned_directories
    from autotune.repository import abandoned_areas, remove_abandoned
    from autotune.server import Leftover, leftovers

    if Path(results).exists() and not Path(results).is_dir():
        raise UsageError(f"--results: {results} is not a directory; name the results directory of the killed runs")

    found = [
        Leftover("staged models", str(area), functools.partial(remove_abandoned, area))
        for directory in sorted(Path(results).glob("*"))
        if directory.is_dir()
        for area in abandoned_areas(directory)
    ]
    found += [
        Leftover("directory of a Ray worker", str(each), functools.partial(shutil.rmtree, each, ignore_errors=True))
        for each in abandoned_directories()
    ]
    with leftovers() as on_this_machine:
        found += on_this_machine
        for each in found if not dry_run else ():
            each.remove()
    return found


def create_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--results: cannot create {directory}: {error.strerror}; name another directory") from error


def holding_machine(
    request: RunRequest | MeasureRequest | ComparisonRequest | ExperimentRequest, launcher: Launcher, what: str
) -> AbstractContextManager[None]:
    """Keeps other runs from measuring here meanwhile; raises `UsageError` when entered if one does already."""
    from autotune.environment import machine_lock

    return nullcontext() if request.share_machine or launcher.name == "remote" else machine_lock(what)


def remove_abandoned(directory: Path) -> None:
    """Removes what dead runs staged in a directory."""
    from autotune.repository import abandoned_areas, remove_abandoned

    for area in abandoned_areas(directory):
        remove_abandoned(area)


def environment_of(launcher: Launcher, spec: ModelSpec, composing: Sequence[ModelSpec]) -> Environment:
    from autotune.environment import capture
    from autotune.repository import content_digest

    return capture(launcher.describe(), "+".join(content_digest(each) for each in (spec, *composing)))
