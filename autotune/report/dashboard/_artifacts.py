"""Artifacts that are made from the database when they are asked for, and those that people upload."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound

_NAMESPACE = uuid.UUID("5a0d8a1e-0b1f-5c55-9d7e-6f0b5b6a3f10")  # of our artifacts' ids: any constant does
_PREFIX = "artifacts:"  # of the system attributes in which Optuna keeps what it knows of an artifact


@dataclass(frozen=True)
class Artifact:
    """A file that a study or a trial shows.

    Attributes:
        owner: The study, or the study and the trial's number; with the name it makes the identifier.
        filename: Its name.
        mimetype: Its MIME type.
        read: Its content.
    """

    owner: str
    filename: str
    mimetype: str
    read: Callable[[], bytes]

    @property
    def id(self) -> str:
        """The same in each process."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.owner}/{self.filename}"))

    @property
    def attribute(self) -> tuple[str, str]:
        """The system attribute by which Optuna's dashboard finds it."""
        described = {"artifact_id": self.id, "filename": self.filename, "mimetype": self.mimetype, "encoding": None}
        return _PREFIX + self.id, json.dumps(described)


class ArtifactStore:
    """Optuna's artifact store: generated artifacts, and uploaded ones in a directory.

    Args:
        directory: Where uploads are kept; made by the first one.
        find: A generated artifact by its identifier; None if it is none of ours.
    """

    def __init__(self, directory: Path, find: Callable[[str], Artifact | None]) -> None:
        self._directory = directory
        self._find = find

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The content; raises `ArtifactNotFound` if there is none, or its file is gone."""
        artifact = self._find(artifact_id)
        if artifact is None:
            return self._uploads().open_reader(artifact_id)
        try:
            return io.BytesIO(artifact.read())
        except OSError as error:
            raise ArtifactNotFound(f"{artifact.filename}: {error.strerror}") from error

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Keeps an upload."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._uploads().write(artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        """Deletes an upload; a generated artifact has nothing to delete."""
        if self._find(artifact_id) is None:
            self._uploads().remove(artifact_id)

    def _uploads(self) -> FileSystemArtifactStore:
        return FileSystemArtifactStore(self._directory)
