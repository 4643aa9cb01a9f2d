"""Stages a copy of a model with a trial's config; the model repository is only read.

The copy is also mounted into containers, where symbolic links to the host do not work. Containers cannot write to it,
so that files are hard-linked for them if possible. Other servers could write through a link, so that files are copied
for them: with shared blocks if the filesystem has them, and large files only once per run.
What lies beside the model in the repository is linked; in containers it is mounted where the links point to.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.repository._files import CONFIG_FILE, is_model, model_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from autotune.repository._config_set import ConfigSet
    from autotune.repository._spec import ModelSpec

_CACHES = shutil.ignore_patterns("__pycache__", ".git", ".ipynb_checkpoints")
_LARGE_BYTES = 1 << 20  # guess; what is smaller is copied in about a millisecond
# Whatever the umask: a container may have another user. Others are kept out by the staging area's own mode.
_ENTERED, _READABLE = 0o755, 0o644
_FICLONE = 0x40049409  # Linux ioctl: shares a file's blocks (btrfs, xfs)


def stage(
    models: Sequence[ModelSpec],
    configs: ConfigSet,
    directory: Path,
    *,
    read_only: bool = False,
    originals: Path | None = None,
) -> Path:
    """Creates a model repository in ``directory`` with the models and their configs.

    Args:
        models: The model that is asked, and those that it calls.
        configs: What to serve them with; a model that the set leaves out has its own config.
        directory: Directory of the repository; created if missing.
        read_only: Whether the server cannot write to the copy. Files are then hard-linked if they are on the same
            filesystem.
        originals: An existing directory on the filesystem of ``directory`` that keeps copies of large files for the
            next call.

    Returns:
        ``directory``.

    Raises:
        UsageError: The directory is inside the model's directory, or a file cannot be read.
        FileExistsError: The directory already has one of the models.
    """
    for spec in models:
        if spec.path.resolve() in (directory.resolve(), *directory.resolve().parents):
            raise UsageError(
                f"--results: {directory} lies inside the model's directory {spec.path}; name another place"
            )
        model = directory / spec.name
        model.mkdir(parents=True)
        made = [directory, model]
        for relative, source in model_files(spec.path):
            if source.is_dir():
                (model / relative).mkdir()
                made.append(model / relative)
            else:
                _place(source, model / relative, read_only, originals)
        if not spec.versions:
            (model / "1").mkdir(exist_ok=True)  # an ensemble has no files, but Triton needs a version
            made.append(model / "1")
        config = configs.get(spec.name) or (spec.config if spec.has_config else None)
        if config is not None:
            (model / CONFIG_FILE).write_text(config.to_text(), encoding="utf-8")
            (model / CONFIG_FILE).chmod(_READABLE)
        for each in made:
            each.chmod(_ENTERED)
    _link_what_is_beside(models[0].path.parent, directory)
    return directory


def _link_what_is_beside(root: Path, directory: Path) -> None:
    """Links everything else of the repository, so that what a model reaches through ``..`` is there.

    A vocabulary or a Python environment that several models share, say, or files of another model. These are symbolic
    links, because they may be many and large and most models need none of them.
    """
    for entry in sorted(root.absolute().iterdir()):
        beside = entry.exists() and entry.resolve() not in directory.resolve().parents
        if beside and not (directory / entry.name).exists():
            (directory / entry.name).symlink_to(entry)


def _place(source: Path, target: Path, read_only: bool, originals: Path | None) -> None:
    try:
        if read_only and _linked(source, target):
            return
        if originals is None or source.stat().st_size < _LARGE_BYTES or not _link_copy(source, target, originals):
            _copy(source, target)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise UsageError(
            f"--model-repository: {source} cannot be copied to {target}: {error.strerror}; "
            "check permissions and free space"
        ) from error


def copy_repository(models: Sequence[ModelSpec], texts: Mapping[str, str], directory: Path, flag: str) -> None:
    """Copies models with the given configs into an existing directory, for a server elsewhere.

    What lies beside the models is copied too, since a model may reach it through ``..``; other models are not, nor
    hidden entries. No file is shared with the person's repository, and no link remains.

    Args:
        models: The models.
        texts: The text of each one's ``config.pbtxt``.
        directory: The new repository.
        flag: The option that named the directory, for the error.

    Raises:
        UsageError: A file cannot be copied.
    """
    try:
        for spec in models:
            model = directory / spec.name
            model.mkdir()
            for relative, source in model_files(spec.path):
                if source.is_dir():
                    (model / relative).mkdir()
                else:
                    _copy(source, model / relative)
            if not spec.versions:
                (model / "1").mkdir(exist_ok=True)  # an ensemble has no files, but Triton needs a version
            (model / CONFIG_FILE).write_text(texts[spec.name], encoding="utf-8")
        root = models[0].path.parent
        for entry in sorted(root.iterdir()):
            if entry.name.startswith((".", "__")) or is_model(entry) or (directory / entry.name).exists():
                continue
            if entry.is_dir():
                shutil.copytree(entry, directory / entry.name, ignore=_CACHES, ignore_dangling_symlinks=True)
            elif entry.is_file():
                _copy(entry, directory / entry.name)
    except (OSError, shutil.Error) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{flag}: cannot copy the models to {directory}: {words}; name another directory") from error


def _link_copy(source: Path, target: Path, originals: Path) -> bool:
    """Links a copy that is made once. It is made again if the source, or a model through its link, changed it.

    Returns:
        False if the filesystem has no hard links.
    """
    kept = originals / hashlib.sha256(os.fsencode(source)).hexdigest()
    wanted = source.stat()
    try:
        found = kept.stat()
    except FileNotFoundError:
        found = None
    if found is None or (found.st_size, found.st_mtime_ns) != (wanted.st_size, wanted.st_mtime_ns):
        kept.unlink(missing_ok=True)  # a link to the old one may still be served
        _copy(source, kept)
        os.utime(kept, ns=(wanted.st_atime_ns, wanted.st_mtime_ns))
    return _linked(kept, target)


def _linked(source: Path, target: Path) -> bool:
    """Creates a hard link; False if that is impossible (another filesystem, files of another user)."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def _copy(source: Path, target: Path) -> None:
    """Copies a file, with shared blocks if the filesystem supports it."""
    with source.open("rb") as reader, target.open("wb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError:
            shutil.copyfileobj(reader, writer, 1 << 22)
    shutil.copymode(source, target)
