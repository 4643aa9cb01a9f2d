"""Stages a copy of a model with a trial's config; the model repository is not changed.

The copy is also mounted into containers, where symbolic links to the host do not work. Files are therefore hard-linked,
or copied if that is not possible (another filesystem, files of another user).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.repository._files import CONFIG_FILE, model_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from autotune.repository._config import ModelConfig
    from autotune.repository._spec import ModelSpec

_FICLONE = 0x40049409  # Linux ioctl: shares a file's blocks (btrfs, xfs)


def stage(spec: ModelSpec, config: ModelConfig, directory: Path, extra: Sequence[ModelSpec] = ()) -> Path:
    """Creates a model repository in ``directory`` with the model and ``config``.

    Args:
        spec: The model.
        config: The config to serve it with.
        directory: Directory of the repository; created if missing. On the model's filesystem, files are linked and
            not copied.
        extra: Further models that it needs, such as the models of an ensemble, with their own configs.

    Returns:
        ``directory``.

    Raises:
        UsageError: The directory is inside the model's directory, or a file cannot be read.
        FileExistsError: The directory already has one of the models.
    """
    _stage_model(spec, config, directory)
    for other in extra:
        _stage_model(other, other.config if other.has_config else None, directory)
    return directory


def _stage_model(spec: ModelSpec, config: ModelConfig | None, directory: Path) -> None:
    if spec.path.resolve() in (directory.resolve(), *directory.resolve().parents):
        raise UsageError(f"--results: {directory} lies inside the model's directory {spec.path}; name another place")
    model = directory / spec.name
    model.mkdir(parents=True)
    for relative, source in model_files(spec.path):
        if source.is_dir():
            (model / relative).mkdir()
        else:
            _link(source, model / relative)
    if not spec.versions:
        (model / "1").mkdir(exist_ok=True)  # an ensemble has no files, but Triton needs a version
    if config is not None:
        (model / CONFIG_FILE).write_text(config.to_text(), encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        try:
            _copy(source, target)
        except OSError as error:
            raise UsageError(
                f"--model-repository: {source} cannot be copied to {target}: {error.strerror}; "
                "check permissions and free space"
            ) from error


def _copy(source: Path, target: Path) -> None:
    """Copies a file, with shared blocks if the filesystem supports it."""
    with source.open("rb") as reader, target.open("wb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError:
            shutil.copyfileobj(reader, writer, 1 << 22)
    shutil.copymode(source, target)
