"""A study as a table for other programs: CSV, Parquet, JSON, or the CSV of Model Analyzer."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.report._file import STANDARD_OUTPUT, write_file
from autotune.report._json import dumps
from autotune.report._model_analyzer import model_analyzer_csv

if TYPE_CHECKING:
    import pandas as pd

    from autotune.search import StudyResult
    from autotune.store import Store

DATA_FORMATS = ("csv", "parquet", "json", "model-analyzer")
ROWS = ("trials", "windows")


def export_data(
    store: Store, result: StudyResult, name: str, rows: str, output: Path | None
) -> tuple[bytes, Path | None]:
    """The data of a study, and the file they were written to.

    Args:
        store: The database.
        result: The study, with all windows of its trials if the format is ``model-analyzer``.
        name: One of `DATA_FORMATS`.
        rows: One of `ROWS`; Model Analyzer's CSV always has a row for each window.
        output: A file; None or ``-`` for none.

    Raises:
        UsageError: Unknown format or rows, Parquet without a file or without pyarrow, or a file that cannot be written.
    """
    check_data_options(name, rows, output)
    if name == "model-analyzer":
        content = model_analyzer_csv(result).encode()
    else:
        frame = store.probes(result.study) if rows == "windows" else result.to_frame()
        content = _written(frame, name)
    if output is None or output == STANDARD_OUTPUT:
        return content, None
    write_file(output, content)
    return content, output


def check_data_options(name: str, rows: str, output: Path | None) -> None:
    """Raises `UsageError` for a format or rows that are unknown, and for Parquet without a file."""
    if name not in DATA_FORMATS:
        raise UsageError(f"--format: {name!r} is unknown; use {', '.join(DATA_FORMATS)}")
    if rows not in ROWS:
        raise UsageError(f"--rows: {rows!r} is unknown; use {' or '.join(ROWS)}")
    if name == "parquet" and (output is None or output == STANDARD_OUTPUT):
        raise UsageError("--output: Parquet is no text; name a file, such as --output study.parquet")


def _written(frame: pd.DataFrame, name: str) -> bytes:
    if name == "parquet":
        return _parquet(frame)
    if name == "json":
        whole = frame.astype(object).where(frame.notna(), None)
        return dumps(whole.to_dict(orient="records")).encode()
    return frame.to_csv(index=False, lineterminator="\n").encode()


def _parquet(frame: pd.DataFrame) -> bytes:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"--format: parquet needs pyarrow ({reason}); pip install 'triton-autotune[parquet]'"
        ) from None
    written = io.BytesIO()
    frame.to_parquet(written, index=False)
    return written.getvalue()
