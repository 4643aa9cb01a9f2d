"""Where results are kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from autotune.errors import UsageError
from autotune.request._option import Panel, Request, option


@dataclass(frozen=True, kw_only=True)
class StoreRequest(Request):
    """The results directory and the database."""

    results: str | Path = option(
        "results", "DIR", "Directory of databases, exported configs and logs.", panel=Panel.OUTPUT
    )
    storage: str | None = option(
        None, "URL", "SQLAlchemy URL of the database; autotune.db in --results by default.", panel=Panel.OUTPUT
    )

    def writable_directory(self) -> Path:
        """The results directory, after a check that it can be written; creates nothing.

        Raises:
            UsageError: It is no directory, or cannot be written.
        """
        results = Path(self.results)
        existing = next(path for path in (results, *results.absolute().parents) if path.exists())
        if not existing.is_dir():
            raise UsageError(f"--results: {existing} is not a directory; name another one")
        read_only = bool(os.statvfs(existing).f_flag & os.ST_RDONLY)
        if read_only or not os.access(existing, os.W_OK | os.X_OK):
            raise UsageError(f"--results: cannot write to {existing}; name a directory you may write to")
        return results
