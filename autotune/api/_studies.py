"""What a database holds, and what is written of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import AutotuneError

if TYPE_CHECKING:
    from autotune.report.deploy import ExportedRepository
    from autotune.search import StudyResult
    from autotune.store import Store, StudyOutline, Windows


def export(
    study: str | None = None,
    *,
    trial: int | None = None,
    output: str | Path | None = None,
    results: str | Path = "results",
    storage: str | None = None,
) -> tuple[str, Path | None]:
    """The config of a study's best trial (or of ``trial``) as text, and the file it was written to.

    ``output`` is a file, a directory (``config.pbtxt`` in it), or ``"-"`` for no file at all.

    Raises:
        UsageError: No such study or trial, or nothing feasible to export.
    """
    from autotune.report import export_trial

    found = find_study(study, results=results, storage=storage)
    return export_trial(found, trial, Path(output) if output is not None else None, Path(results) / found.study)


def export_repository(
    directory: str | Path,
    study: str | None = None,
    *,
    trial: int | None = None,
    model_repository: str | Path | None = None,
    formats: Sequence[str] = (),
    image: str | None = None,
    launch: str | None = "auto",
    results: str | Path = "results",
    storage: str | None = None,
) -> ExportedRepository:
    """Writes every model that a study served, with the configs of its best trial (or of ``trial``), to ``directory``.

    The models' files are those in ``model_repository``, by default where the study found them.

    ``formats`` are deployment files (``compose``, ``kubernetes``, ``kserve``, ``helm-values``) for ``image``. The
    repository is started once in the mode ``launch``; None skips that.

    Raises:
        UsageError: Bad input, such as a directory that is not empty. Nothing was written.
        AutotuneError: The repository does not load. Nothing was written.
    """
    from autotune.report.deploy import export_repository as write_repository
    from autotune.search import find_record, stored_result

    with closing(open_store(results=results, storage=storage)) as store:
        record = find_record(store, study)
        found = stored_result(store, record.name, Path(results))
    return write_repository(
        found,
        Path(directory),
        Path(model_repository or record.repository or "model_repository"),
        number=trial,
        formats=formats,
        image=image,
        launch=launch,
    )


def report(
    study: str | None = None,
    *,
    format: str | None = None,  # noqa: A002
    output: str | Path | None = None,
    results: str | Path = "results",
    storage: str | None = None,
) -> tuple[str, Path | None]:
    """The report of a study as text, and the file it was written to.

    ``format`` is ``html``, ``markdown`` or ``json``; by default that of the output's suffix, else ``html``. ``output``
    is a file, a directory (``report.html`` in it), or ``"-"`` for no file at all; by default the study's directory.

    Raises:
        UsageError: No such study, an unknown format, or an output that cannot be written.
    """
    from autotune.report.document import build, read_source, report_format, write_report

    report_format(format, Path(output) if output is not None else None)
    with closing(open_store(results=results, storage=storage)) as store:
        source = read_source(store, study, Path(results))
    target = Path(output) if output is not None else None
    return write_report(build(source), format, target, Path(results) / source.result.study)


def log_study(
    uri: str, study: str | None = None, *, results: str | Path = "results", storage: str | None = None
) -> str:
    """Logs a study to MLflow: the result, each trial as a nested run, the report and the configs.

    Args:
        uri: The tracking URI, such as ``http://127.0.0.1:5000``.
        study: The study; not needed if there is only one.
        results: The results directory.
        storage: URL of the database, if it is another one than that of the results directory.

    Returns:
        The name of the experiment.

    Raises:
        UsageError: No such study, or MLflow's client is not installed.
        AutotuneError: The server does not answer, or refuses.
    """
    from autotune.report.document import read_source
    from autotune.report.tracking import log_to_mlflow

    with closing(open_store(results=results, storage=storage)) as store:
        source = read_source(store, study, Path(results))
    return log_to_mlflow(uri, source)


def export_study(
    study: str | None = None,
    *,
    format: str = "csv",  # noqa: A002
    rows: str = "trials",
    output: str | Path | None = None,
    results: str | Path = "results",
    storage: str | None = None,
) -> tuple[bytes, Path | None]:
    """The data of a study, and the file they were written to.

    ``format`` is ``csv``, ``parquet``, ``json`` or ``model-analyzer``, ``rows`` is ``trials`` or ``windows``, and
    ``output`` a file; None or ``"-"`` for none. `StudyResult.to_frame` gives the trials as a pandas table.

    Raises:
        UsageError: No such study, unknown format or rows, or a file that cannot be written.
    """
    from autotune.report import check_data_options, export_data
    from autotune.search import stored_result

    target = Path(output) if output is not None else None
    check_data_options(format, rows, target)
    with closing(open_store(results=results, storage=storage)) as store:
        windows: Windows = "all" if format == "model-analyzer" else "deciding"
        return export_data(store, stored_result(store, study, Path(results), windows), format, rows, target)


def list_studies(
    *,
    results: str | Path = "results",
    storage: str | None = None,
    on_damaged: Callable[[AutotuneError], None] | None = None,
) -> list[StudyResult]:
    """Every study of a database, the newest first; trials have only the windows that decided.

    ``on_damaged`` gets the error of each study that cannot be read; without it, the first one is raised.

    Raises:
        UsageError: There is no database.
    """
    from autotune.search import stored_results

    with closing(open_store(results=results, storage=storage)) as store:
        return stored_results(store, Path(results), on_damaged)


def outline_studies(
    *,
    results: str | Path = "results",
    storage: str | None = None,
    on_damaged: Callable[[AutotuneError], None] | None = None,
) -> list[StudyOutline]:
    """Every study of a database in one line, the newest first; far quicker than `list_studies`.

    ``on_damaged`` gets the error of each study that cannot be read; without it, the first one is raised.

    Raises:
        UsageError: There is no database.
    """
    from autotune.search import stored_outlines

    with closing(open_store(results=results, storage=storage)) as store:
        return stored_outlines(store, Path(results), on_damaged)


def find_study(study: str | None = None, *, results: str | Path = "results", storage: str | None = None) -> StudyResult:
    """One study; ``study`` is not needed if the database holds only one.

    Raises:
        UsageError: There is no database or no such study.
    """
    from autotune.search import stored_result

    with closing(open_store(results=results, storage=storage)) as store:
        return stored_result(store, study, Path(results))


def find_studies(
    first: str | None,
    second: str | None,
    *,
    results: str | Path = "results",
    storage: str | None = None,
    other_results: str | Path | None = None,
) -> tuple[StudyResult, StudyResult]:
    """Two studies as they stand; the second one may be in another results directory.

    Raises:
        UsageError: There is no database or no such study.
    """
    found = find_study(first, results=results, storage=storage)
    if other_results is not None:
        return found, find_study(second, results=other_results)
    return found, find_study(second, results=results, storage=storage)


def open_store(*, results: str | Path = "results", storage: str | None = None) -> Store:
    """The store of an existing database; never creates one.

    Raises:
        UsageError: There is none.
    """
    from autotune.store import Store, database_url

    flag = "--storage" if storage else "--results"
    return Store.open_existing(storage or database_url(Path(results)), flag)


def create_store(results: Path, storage: str | None) -> Store:
    """The database of a results directory, or ``storage``; made if it is not there yet."""
    from autotune.store import Store, database_url

    return Store.open(storage or database_url(results), "--storage" if storage else "--results")
