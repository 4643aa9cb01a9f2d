"""What a measurement says, in sentences."""

from __future__ import annotations

import math

from autotune.measurement import Breakdown, Evidence, Infeasible, Measurement, Probe, breakdown, most_memory
from autotune.objective import Ceiling, MemoryKind, format_duration
from autotune.report._format import latency, load_label, rate
from autotune.report._reasons import disturbance, limit, notes, warnings
from autotune.report._steps import step_lines
from autotune.report._streams import stream_lines
from autotune.report._values import memory

_PARTS = {
    "client_send_s": "client send",
    "network_s": "network and server send/receive",
    "queue_s": "queue",
    "compute_input_s": "compute input",
    "compute_infer_s": "infer",
    "compute_output_s": "output",
    "client_receive_s": "client receive",
}
_PARTS_OF_STREAMS = {
    "network_s": "network and wait for the first response",
    "compute_infer_s": "infer until the first response",
    "client_receive_s": "first to last response",
}


def measurement_lines(measured: Measurement, *, headline: bool = True) -> list[str]:
    """Where the latency goes, what limits the rate, what disturbed; the rate and its evidence first, as a headline."""
    decided = measured.decided_by
    if decided is None:
        return []
    lines = [claim(measured)] if headline else []
    lines += stream_lines(measured)
    parts = breakdown(decided) if not decided.streams else None
    if parts is not None:
        lines.append(f"Mean latency {latency(decided.client.total_s if decided.client else None)}: {_spent(parts)}.")
        lines += step_lines(parts)
    if decided.server.batch_executions and not decided.steps and not decided.streams:
        lines.append(f"Mean batch formed: {decided.server.mean_batch_size:.1f}.")
    if measured.limited_by:
        lines.append(f"Limited by {limit(measured.limited_by)}.")
    lines += [f"Warning: {warning}." for warning in (*notes(measured), *warnings(measured))]
    return lines


def claim(measured: Measurement) -> str:
    """The result in one sentence; an infeasible config's names what was missed."""
    decided = measured.decided_by
    if decided is None:
        return "Nothing was measured."
    if measured.infeasible is Infeasible.DISTURBED and decided.invalid:
        found = disturbance(decided.invalid[0])
        return (
            f"Undecided: {_missed(measured)} at {load_label(decided)}, but {found}; measure again on a quiet machine."
        )
    if not measured.feasible:
        return f"{_missed(measured)} at {load_label(decided)}."
    shown = [_shown(each, measured) for each in decided.evidence]
    if decided.mean_bounds_s is not None:
        most = latency(decided.mean_bounds_s[1])
        shown.append(f"mean latency {latency(decided.latency_s['avg'])}, at most {most} at 95% confidence")
    kept = f" with {_outstanding(decided.concurrency)}" if decided.concurrency else ""
    plainly = "sustained" if decided.good_per_s is None else "answered in time"
    together = " of all models together" if decided.streams else ""
    sentence = f"{rate(measured.rate_per_s)} inferences/s{together}{kept}: {'; '.join(shown) or plainly}"
    if measured.first_failing_per_s is not None and math.isfinite(measured.first_failing_per_s):
        sentence += f"; a ceiling was violated at {rate(measured.first_failing_per_s)}"
    for each in decided.evidence:
        if math.isfinite(each.high_s) and math.isfinite(each.low_s):
            statistic = _ceiling(each, measured).key
            sentence += f"; {statistic} at this rate between {latency(each.low_s)} and {latency(each.high_s)}"
    return sentence + "."


def _shown(each: Evidence, measured: Measurement) -> str:
    ceiling = _ceiling(each, measured)
    decided = measured.decided_by
    seconds = format_duration(decided.duration_s) if decided else ""
    in_closed_loop = decided is not None and decided.concurrency is not None
    whose = f"{ceiling.model}'s requests" if ceiling.model else "requests"
    at_most = f"at most {each.allowed * 100:.4g}% of {whose} over {format_duration(ceiling.limit_s)}"
    seen = f"{each.requests:,} requests, {each.late:,} late, design effect {each.design_effect:.3g}, {seconds}"
    if not measured.certified:
        below = "the window" if in_closed_loop else "the nearest window at a lower rate"
        return f"estimated, not certified, for {at_most} ({below}: {seen})"
    if measured.proved_per_s is None:
        return f"{at_most} in this window, but not certified: {unproved(measured)} ({seen})"
    return f"{at_most} at {_confidence(measured.confidence)} confidence ({seen})"


def unproved(measured: Measurement) -> str:
    """How much more load a proof would have taken, in words."""
    missing_s = measured.certificate_missing_s
    if not missing_s:
        return "the windows were too short"
    if not math.isfinite(missing_s):
        return "it is unknown how much more load would be enough"
    return f"about {format_duration(missing_s)} more of this load would be enough; see --certify-time"


def _outstanding(concurrency: int) -> str:
    return f"{concurrency} request{'' if concurrency == 1 else 's'} outstanding"


def _confidence(confidence: float) -> str:
    """Rounded down: 99.97% is not 100%."""
    return f"{math.floor(confidence * 100)}%"


def _missed(measured: Measurement) -> str:
    decided = measured.decided_by
    assert decided is not None  # noqa: S101 - the caller checked
    if measured.beaten_by_per_s is not None:
        incumbent = f"{rate(measured.beaten_by_per_s)} inferences/s"
        return f"Pruned: does not sustain {incumbent} within the SLO: p99 {_p99(decided)}"
    worst = max(measured.violations.items(), key=lambda item: item[1], default=("the SLO", 0.0))[0]
    if measured.infeasible is Infeasible.MEMORY:
        kind: MemoryKind = "GPU memory" if worst.startswith("GPU") else "memory"
        used = most_memory(measured.probes, kind) or 0
        return f"{worst} is violated: {memory(used)} in use"
    return f"{worst} is violated: p99 {_p99(decided)}"


def _p99(probe: Probe) -> str:
    return latency(probe.latency_s.get("p99"))


def _ceiling(evidence: Evidence, measured: Measurement) -> Ceiling:
    return next(ceiling for ceiling in measured.ceilings if str(ceiling) == evidence.ceiling)


def _spent(parts: Breakdown) -> str:
    return ", ".join(f"{name} {latency(seconds)}" for name, seconds in latency_parts(parts).items())


def latency_parts(parts: Breakdown) -> dict[str, float]:
    """The parts of the mean latency in seconds by their names, in the order in which a request passes them."""
    names = {**_PARTS, **(_PARTS_OF_STREAMS if parts.decoupled else {})}
    return {name: getattr(parts, part) for part, name in names.items()}
