"""A study in MLflow: a run for the study, a nested run for each trial, the report and the configs as artifacts.

Logging a study again updates its run: trials that are there stay, figures and artifacts are replaced.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Any

from autotune.errors import AutotuneError, UsageError
from autotune.passwords import without_passwords
from autotune.report._format import config_change
from autotune.report.document import build
from autotune.report.document._html import html_report
from autotune.search import score

if TYPE_CHECKING:
    from datetime import datetime

    from mlflow import MlflowClient

    from autotune.report.document import Source
    from autotune.search import StudyResult

_EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"  # MLflow's own variable
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # MLflow's default of 7 takes minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",  # seconds
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
_NOT_INSTALLED = (
    "--mlflow: needs the Python package mlflow-skinny, which is not installed; run 'pip install mlflow-skinny'"
)
_STUDY, _TRIAL = "autotune.study_id", "autotune.trial"  # tags by which runs are found again
_PARENT, _NOTE = "mlflow.parentRunId", "mlflow.note.content"  # MLflow's own tags
_LONGEST_VALUE = 500  # characters of a parameter, as MLflow 1 and later accept
_MOST_CHILDREN = 5000  # runs that one search returns
_MOST_METRICS = 1000  # of one request
_RESULTS = {
    "throughput": "sustainable_rate_per_s",
    "goodput": "goodput_per_s",
    "latency": "latency_s",
    "memory": "memory_bytes",
}
_NOT_IN_NAMES = re.compile(r"[^\w\-. /:]")


def check_mlflow(uri: str) -> None:
    """Asks the server once.

    Raises:
        UsageError: MLflow's client is not installed, or the server does not answer.
    """
    try:
        with _client(uri) as client:
            client.search_experiments(max_results=1)
    except AutotuneError:
        raise
    except Exception as error:  # the client's stores raise errors of many libraries
        raise UsageError(
            f"--mlflow: {without_passwords(uri)} does not answer: {_line(error)}; start it, or drop --mlflow"
        ) from error


def log_to_mlflow(uri: str, source: Source) -> str:
    """Logs a study and returns the name of the experiment.

    Raises:
        UsageError: MLflow's client is not installed.
        AutotuneError: The server does not answer, or refuses.
    """
    try:
        with _client(uri) as client:
            return _logged(client, source)
    except AutotuneError:
        raise
    except Exception as error:  # the client's stores raise errors of many libraries
        raise AutotuneError(f"--mlflow: {without_passwords(uri)}: {_line(error)}") from error


@contextmanager
def _client(uri: str) -> Iterator[MlflowClient]:
    """MLflow's client, with settings of ours where a person has none."""
    before = dict(os.environ)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise UsageError(_NOT_INSTALLED) from error
        yield MlflowClient(tracking_uri=uri)
    finally:
        for name in _SETTINGS:
            if name not in before:
                os.environ.pop(name, None)


def _logged(client: MlflowClient, source: Source) -> str:
    result, record = source.result, source.record
    experiment = os.environ.get(_EXPERIMENT) or f"autotune/{result.model}"
    found = client.get_experiment_by_name(experiment)
    experiment_id = found.experiment_id if found else client.create_experiment(experiment)
    digest = hashlib.sha256(f"{record.name}/{record.created_at.isoformat()}".encode()).hexdigest()[:16]
    runs = client.search_runs([experiment_id], f"tags.`{_STUDY}` = '{digest}'", max_results=1)
    tags = {_STUDY: digest, _NOTE: f"{result.study}: {result.objective}"}
    run = runs[0] if runs else client.create_run(experiment_id, _ms(record.created_at), tags, run_name=result.study)
    run_id = run.info.run_id
    _log_trials(client, experiment_id, run_id, result)
    _log_values(client, run_id, _study_parameters(source) if not runs else {}, _study_metrics(result))
    _log_history(client, run_id, result)
    client.log_text(run_id, html_report(build(source)), "report.html")
    for model, text in (result.best.outcome.configs if result.best else {}).items():
        client.log_text(run_id, text, f"config/{model}/config.pbtxt")
    client.set_terminated(run_id, "FINISHED" if result.best else "FAILED")
    return experiment


def _log_trials(client: MlflowClient, experiment_id: str, parent: str, result: StudyResult) -> None:
    """A nested run for each trial that has none yet; one that was left half-written is written anew."""
    nested = client.search_runs([experiment_id], f"tags.`{_PARENT}` = '{parent}'", max_results=_MOST_CHILDREN)
    for half in (each for each in nested if each.info.status == "RUNNING"):
        client.delete_run(half.info.run_id)
    there = {each.data.tags.get(_TRIAL) for each in nested if each.info.status != "RUNNING"}
    rows = result.to_frame().to_dict("records")
    for trial, row in zip(result.trials, rows, strict=True):
        number = str(trial.number)
        if number in there:
            continue
        outcome = trial.outcome
        tags = {_PARENT: parent, _TRIAL: number, "label": trial.label, "outcome": outcome.kind.value}
        tags |= {"message": outcome.message[:_LONGEST_VALUE]} if outcome.message else {}
        begun = _ms(trial.finished_at - timedelta(seconds=outcome.seconds))
        run_id = client.create_run(experiment_id, begun, tags, run_name=f"trial {number}").info.run_id
        parameters = {**dict(outcome.candidate or ()), "config": config_change(outcome, trial.label)}
        numbers = {str(name): value for name, value in row.items() if not str(name).startswith(("param_", "trial"))}
        _log_values(client, run_id, parameters, numbers)
        client.set_terminated(run_id, "FAILED" if outcome.failed else "FINISHED", _ms(trial.finished_at))


def _log_history(client: MlflowClient, run_id: str, result: StudyResult) -> None:
    """The value of each trial that met the SLO, as a metric with a step for each trial."""
    from mlflow.entities import Metric

    history = [
        Metric("trial_value", score(trial.outcome, result.objective), _ms(trial.finished_at), trial.number or 0)
        for trial in result.trials
        if trial.outcome.feasible
    ]
    for first in range(0, len(history), _MOST_METRICS):
        client.log_batch(run_id, history[first : first + _MOST_METRICS])


def _study_parameters(source: Source) -> dict[str, Any]:
    environment = source.record.environment
    return {
        "model": source.result.model,
        "objective": str(source.result.objective),
        "conditions": source.record.conditions,
        **{f"launch.{name}": value for name, value in environment.launch.items()},
        "machine": environment.cpu_model,
        "cpus": environment.available_cores,
        "gpus": ", ".join(gpu.name for gpu in environment.gpus) or "none",
    }


def _study_metrics(result: StudyResult) -> dict[str, Any]:
    """The figures that a run reports; those that are unknown are left out."""
    finals, measured = result.finals, result.measured
    figures: dict[str, Any] = {"trials": len(result.trials), "seconds": result.seconds or None, "gain": result.gain}
    if result.best is not None:
        figures["best_trial"] = result.best.number
    if result.interval is not None:
        figures |= {"gain_low": result.interval.low, "gain_high": result.interval.high}
    if finals is not None and finals.sustained is not None:
        name = _RESULTS[result.objective.goal]
        figures |= {name: finals.sustained.value, f"{name}_low": finals.sustained.low}
        figures[f"{name}_high"] = finals.sustained.high
    certificate = finals.certificate.outcome.measurement if finals and finals.certificate else None
    if certificate is not None and certificate.proved_per_s is not None:
        figures |= {"certified_rate_per_s": certificate.proved_per_s, "confidence": certificate.confidence}
    if measured is not None:
        figures |= {f"{name}_s": value for name, value in measured.latency_s.items()}
    return figures


def _log_values(client: MlflowClient, run_id: str, parameters: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
    """Parameters and metrics in one request; what is no finite number is no metric."""
    from mlflow.entities import Metric, Param
    from mlflow.utils.time import get_current_time_millis

    now = get_current_time_millis()
    metrics = [
        Metric(_name(name), float(value), now, 0)
        for name, value in figures.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    ]
    params = [Param(_name(name), str(value)[:_LONGEST_VALUE]) for name, value in parameters.items() if value != ""]
    client.log_batch(run_id, metrics, params)


def _name(name: str) -> str:
    """The name with the characters that MLflow accepts."""
    return _NOT_IN_NAMES.sub("_", name)


def _ms(moment: datetime) -> int:
    return round(moment.replace(tzinfo=timezone.utc).timestamp() * 1000)


def _line(error: Exception) -> str:
    """The innermost reason in one line."""
    text = " ".join(str(error).split())
    reason = re.search(r"\[Errno -?\d+\] [^'\")]*|Connection refused|timed out", text)
    return reason[0] if reason else text[:200]
