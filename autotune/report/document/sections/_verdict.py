"""The verdict: what is delivered, what it is worth, and what was changed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping

from autotune.measurement import Measurement, Probe, value_of
from autotune.report._explanation import explanation_lines
from autotune.report._format import latency, rate
from autotune.report._headline import headline
from autotune.report._measurement import measurement_lines
from autotune.report._reasons import batches_kept_small
from autotune.report._summary import nothing_feasible, stopped
from autotune.report._values import shown_by
from autotune.report.document._blocks import Block, Code, Paragraph, Section, Tile, Tiles
from autotune.report.document._source import Source


def verdict(source: Source) -> Section:
    """What a person takes away; of a study without a feasible trial, which config came nearest."""
    result = source.result
    lines = headline(result) if result.best is not None else nothing_feasible(result)
    blocks: list[Block] = []
    tiles = _tiles(source)
    if tiles:
        blocks.append(Tiles(tuple(tiles)))
    blocks += [Paragraph(line) for line in lines]
    blocks += _config(source)
    blocks += _reasons(source)
    if result.stopped:
        blocks.append(Paragraph(stopped(result)))
    if result.best is not None and result.config_path is not None:
        blocks.append(Paragraph(f"Exported: {result.config_path}"))
    return Section("verdict", "Verdict", tuple(blocks))


def _tiles(source: Source) -> list[Tile]:
    result = source.result
    objective, measured = result.objective, result.measured
    if result.best is None or measured is None:
        return []
    tiles = []
    ratio = result.interval
    if ratio is not None:
        bounded = math.isfinite(ratio.high)
        note = f"95% interval {ratio.low:.2f} to {ratio.high:.2f}" if bounded else "a single round, no interval"
        tiles.append(Tile("Gain over the baseline", f"{ratio.value:.2f} times", note))
    elif result.gain is None and result.estimated_gain is not None:
        note = "by single measurements of the search, which are partly luck"
        tiles.append(Tile("Gain, unconfirmed", f"{result.estimated_gain:.2f} times", note))
    sustained = result.finals.sustained if result.finals else None
    shown = shown_by(objective.value)
    unit = " inferences/s" if objective.maximise else ""
    named = {"goodput": "Goodput", "memory": "Memory", "latency": f"{objective.optimised_statistic} latency"}
    what = named.get(objective.goal, "Sustainable rate")
    if sustained is not None:
        rounds = f"{sustained.rounds} round{'' if sustained.rounds == 1 else 's'} on fresh servers"
        tiles.append(Tile(what, f"{shown(sustained.value)}{unit}", rounds))
    else:
        value = value_of(measured, objective.value)
        tiles.append(Tile(what, f"{shown(value)}{unit}", "by a single measurement"))
    if measured.proved_per_s is not None:
        certified = f"{math.floor(measured.confidence * 100)}% confidence that every ceiling is met"
        tiles.append(Tile("Certified rate", f"{rate(measured.proved_per_s)} inferences/s", certified))
    tiles += [_ceiling_tile(measured.decided_by, each.key, str(each)) for each in objective.ceilings]
    return tiles


def _ceiling_tile(decided: Probe | None, statistic: str, ceiling: str) -> Tile:
    if decided is None:
        return Tile(statistic, "-", f"ceiling {ceiling}")
    seen = latency(decided.latency_s.get(statistic))
    return Tile(f"{statistic} at {rate(decided.asked_per_s)} inferences/s", seen, f"ceiling {ceiling}")


def _config(source: Source) -> list[Block]:
    """The delivered config as a diff to the baseline's, and in full."""
    result = source.result
    chosen = result.best or result.nearest
    if chosen is None:
        return [Code(source.record.base_config, "protobuf", "The config.pbtxt of the repository", folded=True)]
    known = result.baseline
    after = chosen.outcome.configs
    before = known.outcome.configs if known is not None else {result.model: source.record.base_config}
    name = "delivered" if result.best is not None else "nearest"
    blocks: list[Block] = [*config_diffs(before, after, name)]
    if not blocks:
        blocks.append(Paragraph(f"The {name} config.pbtxt is the baseline's: nothing changes."))
    for model, text in after.items():
        of = f" of {model}" if len(after) > 1 else ""
        blocks.append(Code(text, "protobuf", f"The {name} config.pbtxt{of} in full", folded=True))
    return blocks


def config_diffs(before: Mapping[str, str], after: Mapping[str, str], name: str) -> list[Code]:
    """What changes in each model's config, as unified diffs; ``name`` stands for the changed ones."""
    diffs = []
    for model, text in after.items():
        of = f" of {model}" if len(after) > 1 else ""
        lines = (before.get(model, "").splitlines(), text.splitlines())
        diff = list(difflib.unified_diff(*lines, "baseline", name, n=2, lineterm=""))
        if diff:
            diffs.append(Code("\n".join(diff), "diff", f"What changes in config.pbtxt{of}, baseline to {name}"))
    return diffs


def _reasons(source: Source) -> list[Paragraph]:
    """Where the time goes and what each parameter buys; indented lines are a list below the one before."""
    result = source.result
    measured = _measured(source)
    lines = measurement_lines(measured, headline=False) if measured is not None else []
    chosen = result.best or result.nearest
    if chosen is not None and chosen.outcome.kept_apart is not None:
        lines.append(batches_kept_small(chosen.outcome.kept_apart))
    paragraphs: list[Paragraph] = []
    for line in [*lines, *explanation_lines(result)]:
        if line.startswith(" ") and paragraphs:
            before = paragraphs.pop()
            paragraphs.append(Paragraph(before.text, (*before.items, line.strip())))
        else:
            paragraphs.append(Paragraph(line))
    return paragraphs


def _measured(source: Source) -> Measurement | None:
    """What the delivered config was shown to sustain, with all windows: the number of disturbed ones counts all."""
    result, main = source.result, source.main
    if main is None or result.best is None:
        return None
    certificate = result.finals.certificate if result.finals is not None else None
    records = [main.trial, *(run for run in main.runs if certificate is not None and run.id == certificate.id)]
    whole = {record.id: record.outcome.measurement for record in records}
    is_certificate = certificate is not None and certificate.outcome.measurement is result.measured
    return whole.get(certificate.id if certificate is not None and is_certificate else main.trial.id)
