"""Paths and names that Triton may be given.

Triton 2.51's Python backend starts its processes through ``bash -c`` with the paths of the model and of the backend and
the names of the model and its instances in the line, unquoted. A blank ends the start, other characters are run.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autotune.errors import UsageError
from autotune.repository import ModelSpec
from autotune.server._belongings import TRITONS_TEMPORARY, new_prefix

_UNSAFE = re.compile(r"""[\s"'`$&|;<>()\[\]{}*?!\\^~#\x00-\x1f\x7f]""")


def is_safe(text: str) -> bool:
    """Whether a shell takes the text for one word and nothing else."""
    return _UNSAFE.search(text) is None


@contextmanager
def private_directory() -> Iterator[Path]:
    """A new directory at a safe path, in TMPDIR if that is safe."""
    temporary = Path(tempfile.gettempdir()).absolute()
    place = temporary if is_safe(str(temporary)) else TRITONS_TEMPORARY
    with tempfile.TemporaryDirectory(prefix=new_prefix(), dir=place, ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@contextmanager
def at_safe_path(repository: Path) -> Iterator[Path]:
    """The repository, by a link at a safe path if its own is not."""
    if is_safe(str(repository.absolute())):
        yield repository
        return
    with private_directory() as directory:
        link = directory / "models"
        link.symlink_to(repository.absolute())
        yield link


def check_names(spec: ModelSpec) -> None:
    """Raises `UsageError` if the model's name or the name of an instance group cannot be given to Triton."""
    if found := _UNSAFE.search(spec.name):
        raise UsageError(
            f"--model: {spec.name!r} has {found.group()!r}, which Triton's Python backend passes to a shell; "
            "rename the model's directory"
        )
    for group in spec.config.value("instance_group") or ():
        name = str(group.get("name") or "")
        if found := _UNSAFE.search(name):
            raise UsageError(
                f"--model: the config of {spec.name} names an instance group {name!r} with {found.group()!r}, "
                "which Triton's Python backend passes to a shell; rename the group"
            )
