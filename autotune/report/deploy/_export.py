"""Writes a study's models with a trial's configs as a new repository, and starts it once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import AutotuneError, UsageError
from autotune.report._export import chosen_trial, edited_texts
from autotune.report._file import write_file
from autotune.report.deploy._formats import find_formats, render
from autotune.report.deploy._service import Service, deployed_image, docker_run, quoted, trial_arguments
from autotune.repository import (
    ModelConfig,
    ModelRepository,
    compare_served,
    content_digest,
    copy_repository,
    describe_changes,
)
from autotune.server import LaunchOptions, ServerFailure, choose_launcher, completion, config_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autotune.repository import ModelSpec
    from autotune.search import StudyResult
    from autotune.server import Launcher
    from autotune.store import TrialRecord

_READABLE = 0o755


@dataclass(frozen=True)
class ExportedRepository:
    """A repository that was written.

    Attributes:
        path: Its directory.
        models: Its models, the one that is asked first.
        files: The deployment files in it.
        command: The ``docker run`` that serves it.
        loaded: How it was started, in words; empty if it was not.
        notes: What a user should know before it is deployed.
    """

    path: Path
    models: tuple[str, ...]
    files: tuple[Path, ...]
    command: str
    loaded: str
    notes: tuple[str, ...]


def export_repository(
    result: StudyResult,
    directory: Path,
    repository: Path,
    *,
    number: int | None = None,
    formats: Sequence[str] = (),
    image: str | None = None,
    launch: str | None = "auto",
) -> ExportedRepository:
    """Writes a complete repository: every model that the study served, with a trial's configs.

    Args:
        result: The study.
        directory: The new repository; missing or empty.
        repository: The person's repository, from which files and the configs' comments come.
        number: A trial's number; None for the best trial.
        formats: Deployment files to write into it, by name.
        image: The image to deploy; by default the study's, or NVIDIA's of the same Triton.
        launch: The launch mode in which it is started once; None to skip that.

    Raises:
        UsageError: Bad input; nothing was written.
        AutotuneError: The repository does not load; nothing was written.
    """
    trial = chosen_trial(result, number)
    forms = find_formats(formats)
    arguments = trial_arguments(trial)
    specs = _find_models(trial, repository)
    _check_target(directory, repository)
    image = image or deployed_image(trial.environment)
    launcher = _launcher(launch, image, arguments) if launch else None
    originals = {each.name: (each.path / each.config_file).read_text("utf-8") for each in specs if each.has_config}
    texts = edited_texts(result, trial, originals)
    notes = _notes(trial, specs, image)
    with _new_directory(directory) as partial:
        copy_repository(specs, texts, partial, "--to")
        loaded = ""
        if launcher:
            loaded, more = _start(launcher, partial, [ModelConfig.parse(texts[each.name], each.name) for each in specs])
            notes += more
        size = sum(each.stat().st_size for each in partial.rglob("*") if each.is_file())
        service = Service.of(trial, image, size)
        for form in forms:
            write_file(partial / form.FILE, render(form, service).encode())
    return ExportedRepository(
        path=directory,
        models=service.models,
        files=tuple(directory / form.FILE for form in forms),
        command=quoted(docker_run(service, directory)),
        loaded=loaded,
        notes=tuple(notes),
    )


def _find_models(trial: TrialRecord, repository: Path) -> list[ModelSpec]:
    arguments = trial.environment.launch.get("arguments", "").split()
    models = ModelRepository(repository, config_name(arguments), completion(arguments))
    return [models.model(name, "--model-repository") for name in trial.outcome.configs]


def _check_target(directory: Path, repository: Path) -> None:
    target, source = directory.resolve(), repository.resolve()
    if target == source or source in target.parents:
        raise UsageError(f"--to: {directory} lies inside the model repository {repository}; name another directory")
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise UsageError(f"--to: {directory} is not a directory; name a new one")
    if directory.is_dir() and any(directory.iterdir()):
        raise UsageError(f"--to: {directory} is not empty; name a new directory")


def _launcher(mode: str, image: str, arguments: Sequence[str]) -> Launcher:
    """The launcher of a mode; of ``auto``, Docker with the image that is deployed, if that works here."""
    if mode == "remote":
        raise UsageError("--launch: remote cannot start a new repository; use docker, local or embedded, or --no-check")
    docker = LaunchOptions(image=image, triton_args=tuple(arguments))
    if mode == "docker":
        return choose_launcher(mode, docker)[0]
    if mode == "auto":
        try:
            return choose_launcher("docker", docker)[0]
        except UsageError:
            pass
    return choose_launcher(mode, LaunchOptions(triton_args=tuple(arguments)))[0]


def _start(launcher: Launcher, repository: Path, configs: Sequence[ModelConfig]) -> tuple[str, list[str]]:
    """How the repository was started, in words, and what the server or a model changes in the configs."""
    first, *called = (each.name for each in configs)
    with tempfile.TemporaryDirectory(prefix="autotune-export-") as logs:
        try:
            with launcher.launch(repository, first, Path(logs) / "server.log", called) as server:
                served = [compare_served(each, server.model_config(each.name)) for each in configs]
                described = launcher.describe()
                where = f" ({described['image']})" if "image" in described else ""
                words = f"{launcher.name}{where}, Triton {described.get('triton', '?')}, {server.startup_s:.1f} s"
        except ServerFailure as failure:
            raise AutotuneError(
                f"the exported repository does not load with {launcher.name}: {failure};"
                " nothing was written, --no-check writes it all the same"
            ) from failure
    changes = [(each.config, describe_changes(each.config, each.changes)) for each in served]
    return words, [f"{config.name}: {text}" for config, text in changes if text]


def _notes(trial: TrialRecord, specs: Sequence[ModelSpec], image: str) -> list[str]:
    launch, notes = trial.environment.launch, []
    if trial.environment.model_digest != "+".join(content_digest(each) for each in specs):
        notes.append("the model files are not those that the study measured")
    if launch.get("image") != image:
        notes.append(f"the study measured {launch.get('mode', 'another')} Triton, not the image {image}")
    if "/" not in image:
        notes.append(f"the image {image} is local; push it to a registry for other machines")
    return notes


@contextmanager
def _new_directory(directory: Path) -> Iterator[Path]:
    """A directory beside ``directory``, whose content moves there at the end; it is removed after an error."""
    target = directory.absolute()
    failed = f"--to: cannot write {directory}: {{}}; name another directory"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise UsageError(failed.format(error.strerror)) from error
    try:
        yield partial
        try:
            if target.exists():  # empty, and perhaps a mount point or a shell's current directory
                for entry in partial.iterdir():
                    shutil.move(entry, target)
            else:
                partial.chmod(_READABLE)  # a container's user is another one
                partial.replace(target)
        except OSError as error:
            raise UsageError(failed.format(error.strerror)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
