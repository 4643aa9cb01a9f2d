"""What each parameter does: its importance, and every trial by its value."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

from autotune.report._format import config_change
from autotune.report._values import axis, in_words
from autotune.report.document._blocks import Block, Section
from autotune.report.document._figure import Axis, Figure, Series, slug
from autotune.report.document._source import Source
from autotune.search import MIN_GAIN, score
from autotune.store import TrialRecord

_LEAST_TRIALS = 8  # below that an importance is chance
_MOST_SLICES = 8


def parameters(source: Source) -> Section | None:
    """Importances of the parameters that were varied, and a slice through the trials for each."""
    tried = [trial for trial in source.result.trials if trial.outcome.values is not None]
    names = _varied(tried)
    if not names:
        return None
    blocks: list[Block] = []
    importances = _importances(tried, names, source) if len(tried) >= _LEAST_TRIALS else {}
    if importances:
        blocks.append(_importance_figure(importances, len(tried)))
    order = list(importances) or names
    slices = (_slice(f"slice-{place}-{slug(name)}", name, tried, source) for place, name in enumerate(order, 1))
    blocks += [each for each in slices if each is not None][:_MOST_SLICES]
    return Section("parameters", "Parameters", tuple(blocks)) if blocks else None


def _varied(trials: Sequence[TrialRecord]) -> list[str]:
    values: dict[str, set[object]] = {}
    for trial in trials:
        if trial.outcome.values is not None:
            for name, value in trial.outcome.values:
                values.setdefault(name, set()).add(value)
    return [name for name, seen in values.items() if len(seen) > 1]


def _importances(trials: Sequence[TrialRecord], names: Sequence[str], source: Source) -> dict[str, float]:
    """Shares that add up to 1, the largest first, by Optuna's PED-ANOVA (Watanabe et al., IJCAI 2023).

    It asks which parameters the best tenth of the trials have in common. So it needs no values of the trials that
    violate the SLO, which have none. Empty if it finds nothing.
    """
    import optuna

    objective = source.result.objective
    choices = {name: sorted({_value(trial, name) for trial in trials}) for name in names}
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.CategoricalDistribution(values) for name, values in choices.items()
    }
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = optuna.create_study(direction="maximize" if objective.maximise else "minimize")
            study.add_trials(
                [
                    optuna.trial.create_trial(
                        params={name: _value(trial, name) for name in names},
                        distributions=distributions,
                        value=score(trial.outcome, objective),
                    )
                    for trial in trials
                ]
            )
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    except (ValueError, RuntimeError):  # no variance, or too few trials of one kind
        return {}
    finally:
        optuna.logging.set_verbosity(verbosity)
    known = {name: float(value) for name, value in found.items() if math.isfinite(value)}
    return known if sum(known.values()) > 0 else {}


def _importance_figure(importances: dict[str, float], trials: int) -> Figure:
    name, share = next(iter(importances.items()))
    least = [each for each, value in importances.items() if value < 0.05]
    text = f"{name} decides most ({share:.0%}) whether a trial is among the best tenth of {trials:,}."
    if least:
        text += f" Below 5%: {', '.join(least)}."
    return Figure(
        "importance",
        "Parameter importance (PED-ANOVA)",
        text,
        Axis("", names=True),
        Axis("importance in %"),
        (
            Series(
                "importance",
                tuple(importances),
                tuple(100 * value for value in importances.values()),
                "infer",
                "bars",
                notes=tuple(f"{each}: {value:.1%}" for each, value in importances.items()),
                width=0.5,
            ),
        ),
    )


def _slice(file: str, name: str, trials: Sequence[TrialRecord], source: Source) -> Figure | None:
    """The value of each feasible trial by one parameter, and the best of each of its values."""
    objective = source.result.objective
    scale, unit = axis(objective.value)
    feasible = [trial for trial in trials if trial.outcome.feasible]
    if not feasible:
        return None
    at: dict[str, list[tuple[float, TrialRecord]]] = {}
    for trial in sorted(trials, key=lambda each: _order(each, name)):
        at.setdefault(_value(trial, name), [])
        if trial.outcome.feasible:
            at[_value(trial, name)].append((score(trial.outcome, objective), trial))
    best_of = max if objective.maximise else min
    best = {value: best_of(found, key=lambda pair: pair[0])[0] for value, found in at.items() if found}
    points = [(value, scored, trial) for value, found in at.items() for scored, trial in found]
    series = (
        Series(
            "trials that meet the SLO",
            tuple(value for value, *_ in points),
            tuple(scored * scale for _, scored, _ in points),
            "feasible",
            notes=tuple(
                f"trial {trial.number}: {_shown(scored, source)}\n{config_change(trial.outcome, trial.label)}"
                for _, scored, trial in points
            ),
        ),
        Series(
            "best of each value",
            tuple(value for value in at if value in best),
            tuple(best[value] * scale for value in at if value in best),
            "delivered",
            "both",
            symbol="diamond",
        ),
    )
    return Figure(
        file,
        name,
        _slice_conclusion(name, best, [value for value in at if value not in best], source),
        Axis(name, names=True),
        Axis(unit),
        series,
        small=True,
    )


def _slice_conclusion(name: str, best: dict[str, float], never: Sequence[str], source: Source) -> str:
    sign = -1 if source.result.objective.maximise else 1
    ranked = sorted(best, key=lambda value: sign * best[value])
    text = f"Best with {name} {ranked[0]}: {_shown(best[ranked[0]], source)}"
    text += f"; with {ranked[1]} at best {_shown(best[ranked[1]], source)}." if len(ranked) > 1 else "."
    worst = best[ranked[-1]]
    if len(ranked) > 1 and max(best[ranked[0]] / worst, worst / best[ranked[0]]) < 1 + MIN_GAIN:
        text += f" All its values are within {MIN_GAIN:.0%} of each other: it has little effect here."
    return text + (f" Never met the SLO: {', '.join(never)}." if never else "")


def _shown(value: float, source: Source) -> str:
    return in_words(source.result.objective.value, value)


def _value(trial: TrialRecord, name: str) -> str:
    candidate = trial.outcome.values
    value = candidate.as_dict().get(name) if candidate is not None else None
    return "unset" if value is None else str(value)


def _order(trial: TrialRecord, name: str) -> tuple[int, float, str]:
    """Numbers in their order, before names; unset first."""
    candidate = trial.outcome.values
    value = candidate.as_dict().get(name) if candidate is not None else None
    if value is None:
        return 0, 0.0, ""
    if isinstance(value, (bool, int, float)):
        return 1, float(value), ""
    return 2, 0.0, value
