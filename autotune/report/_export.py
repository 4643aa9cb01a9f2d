"""The exported ``config.pbtxt``: ready to copy, with a header that says how it was found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from autotune.errors import UsageError
from autotune.objective import format_duration
from autotune.report._file import STANDARD_OUTPUT, write_file
from autotune.report._format import describe_candidate, latency, rate, served_otherwise
from autotune.repository import ConfigSet, ModelConfig, asked_config, edited_text, server_arguments
from autotune.search import StudyResult
from autotune.server import config_name
from autotune.store import TrialRecord

_FOUND_BY = "# Found by autotune "
_LAST = "# Parameters: "
_SIZE = re.compile(r"^[^#\n]*\bmax_batch_size\b", re.MULTILINE)


def export_best(result: StudyResult, directory: Path) -> Path:
    """Writes the best trial's configs to ``directory/best/<model>/config.pbtxt``.

    Returns:
        That path; ``directory/best`` if several models were changed.
    """
    if result.best is None:
        raise UsageError(f"study {result.study!r} has no feasible trial to export")
    return _write_below(directory / "best", exported_texts(result, result.best))


def export_trial(
    result: StudyResult, number: int | None, output: Path | None, directory: Path
) -> tuple[str, Path | None]:
    """The text of a trial's configs (the best one's without ``number``) and where they were written to.

    Args:
        result: The study.
        number: A trial's number; None for the best trial.
        output: A file, a directory that gets a ``config.pbtxt`` (for several models ``<model>/config.pbtxt``), ``-``
            for none, or None for the default.
        directory: The study's own directory.

    Raises:
        UsageError: No such trial, nothing feasible, or an output that cannot be written.
    """
    trial = chosen_trial(result, number)
    texts = exported_texts(result, trial)
    text = "\n".join(texts.values())
    if output == STANDARD_OUTPUT:
        return text, None
    if output is None:
        return text, _write_below(directory / ("best" if number is None else f"trial-{number:04d}"), texts)
    if len(texts) > 1:
        if output.is_file():
            raise UsageError(f"--output: {output} is a file, but {len(texts)} models were changed; name a directory")
        return text, _write_below(output, texts)
    path = output / "config.pbtxt" if output.is_dir() else output
    write_file(path, text.encode())
    return text, path


def exported_texts(result: StudyResult, trial: TrialRecord) -> dict[str, str]:
    """The configs as served, by model, each below a header with the SLO, what was measured and what was changed.

    Of several models, those whose config differs from the baseline's.
    """
    served = trial.outcome.configs
    changed = changed_models(result, trial) or list(served)[:1]
    return {model: _exported_text(model, served[model], result, trial) for model in changed}


def changed_models(result: StudyResult, trial: TrialRecord) -> list[str]:
    """The models whose config differs from the baseline's."""
    before = result.baseline.outcome.configs if result.baseline else {}
    return [model for model, text in trial.outcome.configs.items() if before.get(model) != text]


def edited_texts(result: StudyResult, trial: TrialRecord, originals: Mapping[str, str]) -> dict[str, str]:
    """The configs of every model, made from the original texts, so that comments and order are kept.

    A model whose config differs from the baseline's has a header, and is as served. Others are as asked.

    Args:
        result: The study.
        trial: The trial.
        originals: The text of the person's config, of the models that have one.

    Raises:
        UsageError: An original text does not parse.
    """
    changed = changed_models(result, trial)
    texts = {}
    for model, text in trial.outcome.configs.items():
        served = ModelConfig.parse(text, f"trial {trial.number}")
        own = [each for each in trial.outcome.differences if each.model == model]
        wanted = served if model in changed or model not in originals else asked_config(served, own)
        original = without_header(originals.get(model, ""))
        edited = edited_text(original, wanted) if original else wanted.to_text()
        header = "\n".join(_header(model, result, trial, named=False)) if model in changed else ""
        texts[model] = _commented(header) + _written_unbatched(edited, wanted)
    return texts


def without_header(text: str) -> str:
    """A config's text without the header of an earlier export."""
    lines = text.splitlines(keepends=True)
    ends = next((index for index, line in enumerate(lines) if not line.startswith("#")), len(lines))
    ours = any(line.startswith(_FOUND_BY) for line in lines[:ends])
    last = next((index for index, line in enumerate(lines[:ends]) if line.startswith(_LAST)), ends - 1)
    return "".join(lines[last + 1 :]) if ours else text


def _write_below(directory: Path, texts: Mapping[str, str]) -> Path:
    """Writes each model's config into its directory; the path of the only one, or the directory."""
    paths = {model: directory / model / "config.pbtxt" for model in texts}
    for model, text in texts.items():
        write_file(paths[model], text.encode())
    return next(iter(paths.values())) if len(paths) == 1 else directory


def _exported_text(model: str, served: str, result: StudyResult, trial: TrialRecord) -> str:
    config = ModelConfig.parse(served, f"trial {trial.number}")
    return _commented("\n".join(_header(model, result, trial))) + _written_unbatched(config.to_text(), config)


def _commented(header: str) -> str:
    return "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())


def _written_unbatched(text: str, config: ModelConfig) -> str:
    """Writes out that a model is not batched: beside complete tensors it says that a leading -1 is not the batch."""
    unbatched = config.max_batch_size == 0 and config.has("input") and config.has("output")
    return f"{text}max_batch_size: 0\n" if unbatched and not _SIZE.search(text) else text


def _header(model: str, result: StudyResult, trial: TrialRecord, *, named: bool = True) -> list[str]:
    """The lines of a header.

    Args:
        model: Whose config it is.
        result: The study.
        trial: The trial.
        named: Whether to say how a server reads the file by ``--model-config-name``.
    """
    outcome = trial.outcome
    is_best = result.best is not None and result.best.number == trial.number
    measured = result.measured if is_best else outcome.measurement
    lines = [
        f"{model}: {result.objective}"
        if model in result.models
        else f"{model}, for {result.model}: {result.objective}",
        f"{_FOUND_BY.removeprefix('# ')}{version('triton-autotune')}, study {result.study}, trial {trial.number}"
        f" of {len(result.trials)}, {trial.finished_at:%Y-%m-%d}.",
    ]
    if measured is not None and measured.decided_by is not None:
        whose = f" of {model}" if len(result.models) > 1 else ""
        seen = ", ".join(
            f"{name} {latency(value)}" for name, value in measured.latency_s.items() if name.endswith(whose)
        )
        held = "met every ceiling" if outcome.feasible else "violated a ceiling"
        lines.append(
            f"At {rate(measured.decided_by.asked_per_s)} inferences/s{_shared(result)} for"
            f" {format_duration(measured.decided_by.duration_s)} it {held}: {seen}."
        )
    if is_best and result.gain is None and result.estimated_gain is not None:
        lines.append("No final comparison confirmed that it is better than the baseline.")
    environment = trial.environment
    lines.append(f"Measured on {environment.cpu_model}, {environment.available_cores:g} CPUs")
    for gpu in environment.gpus:
        lines.append(f"  {gpu}")
    lines.append("  " + ", ".join(f"{name} {value}" for name, value in environment.launch.items()))
    lines += [f"As served: {text}." for text in served_otherwise(outcome, model)]
    if arguments := server_arguments(ConfigSet.parse(outcome.configs, f"trial {trial.number}")):
        lines.append(f"Serve it with: tritonserver {' '.join(arguments)}")
    if named and (name := config_name(environment.launch.get("arguments", "").split())):
        lines.append(f"Save it as configs/{name}.pbtxt, which the server reads by --model-config-name.")
    lines.append(f"{_LAST.removeprefix('# ')}{describe_candidate(outcome.values)}")
    return lines


def _shared(result: StudyResult) -> str:
    """Which models share the rate; empty for one model."""
    return f" of {', '.join(result.models)} together" if len(result.models) > 1 else ""


def chosen_trial(result: StudyResult, number: int | None) -> TrialRecord:
    """The trial of that number; the best one for None.

    Raises:
        UsageError: There is none.
    """
    if number is None:
        if result.best is None:
            raise UsageError(f"study {result.study!r} has no feasible trial; choose one with --trial N")
        return result.best
    for trial in result.trials:
        if trial.number == number:
            return trial
    known = ", ".join(str(trial.number) for trial in result.trials)
    raise UsageError(f"--trial: study {result.study!r} has no finished trial {number}; it has {known}")
