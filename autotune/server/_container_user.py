"""The user of a server's container where ``--container-user`` asks for another than the one who runs the study."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from autotune.errors import UsageError
from autotune.repository import ModelSpec, model_files
from autotune.server._container import Container

_FLAG = "--container-user"
_CANNOT_RUN = (126, 127)  # exit codes of shells and loaders: no permission, not found


def check_readable(user: tuple[int, int], spec: ModelSpec) -> None:
    """Raises `UsageError` if the mode of a model's file does not let the user (uid, gid) read it."""
    uid, gid = user
    for _, file in model_files(spec.path):
        status = file.stat()
        may = 0o400 if status.st_uid == uid else 0o040 if status.st_gid == gid else 0o004
        if file.is_file() and not status.st_mode & may:
            raise UsageError(f"{_FLAG}: user {uid}:{gid} cannot read {file}; run `chmod o+r` on it, or drop the flag")


def check_runs(client: Any, image: Any, settings: dict[str, Any]) -> None:
    """Starts ``tritonserver --help`` in a container and removes it.

    Args:
        client: The engine's client.
        image: The image.
        settings: Of the container, as ``containers.create`` takes them.

    Raises:
        UsageError: The container's user cannot run the image's server.
        ServerCrashed: The engine no longer answers.
    """
    container = Container(client, Path(os.devnull))
    try:
        container.start(image, ["tritonserver", "--help"], "user", settings | {"network_mode": "none"})
        code, log = container.wait()
    except UsageError as error:
        code, log = _CANNOT_RUN[0], str(error).partition(": ")[2]
    finally:
        container.remove(0)
    if code in _CANNOT_RUN:
        words = (log.strip().splitlines() or [f"exit code {code}"])[-1]
        name = (image.tags or [image.short_id])[0]
        raise UsageError(
            f"{_FLAG}: user {settings['user']} cannot run tritonserver in {name}: {words}; give another user or image"
        )
