"""A trial that was measured while the database failed is kept in a file until its study is resumed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.store._codec import decode, encode

if TYPE_CHECKING:
    from autotune.outcome import TrialOutcome


def keep(database: str, directory: Path | None, study: str, number: int, label: str, outcome: TrialOutcome) -> bool:
    """Writes a trial beside the database, or to the temporary directory; returns whether it could."""
    content = json.dumps({"number": number, "label": label, "outcome": encode(outcome)})
    for place in _places(database, directory, study):
        with contextlib.suppress(OSError):
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                with open(descriptor, "w", encoding="utf-8") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                return True
            except OSError:
                place.unlink()
                raise
    return False


def kept(database: str, directory: Path | None, study: str) -> Iterator[tuple[int, str, TrialOutcome]]:
    """The trials that were kept: number, label and outcome. Each file is removed once the next one is asked for."""
    for place in _places(database, directory, study):
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        with open(descriptor, encoding="utf-8") as file:
            found = os.fstat(descriptor)
            if found.st_uid != os.geteuid() or not stat.S_ISREG(found.st_mode):
                continue
            with contextlib.suppress(KeyError, TypeError, ValueError):  # cut short, or of another version
                content = json.load(file)
                yield int(content["number"]), str(content["label"]), decode(content["outcome"])
        place.unlink(missing_ok=True)


def _places(database: str, directory: Path | None, study: str) -> list[Path]:
    name = f"unsaved-{hashlib.sha256(f'{database} {study}'.encode()).hexdigest()[:16]}.json"
    return [
        each / f"{begin}{name}"
        for each, begin in ((directory, "."), (Path(tempfile.gettempdir()), "autotune-"))
        if each
    ]
