"""How well a pipeline's rates are forecast, config by config: an ensemble of three steps; one needs a device.

`--model images` takes the one of `examples/image_pipeline`, whose network runs on the cores that all share.

The first trials of a study show how long executions of each step take. Then configs of its space are drawn at random,
and each is served by a fresh embedded Triton that says what it sustains. Nothing of a drawn config is learnt from.

    python -m benchmarks.pipeline_forecast [--configs 30] [--json benchmarks/results/pipeline_forecast.json]
    python examples/image_pipeline/build.py && python -m benchmarks.pipeline_forecast --model images
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from autotune.measurement import Deployment, MeasureOptions, Question
from autotune.objective import Objective
from autotune.outcome import TrialOutcome
from autotune.prediction import Predictor
from autotune.report import describe_candidate
from autotune.repository import ConfigSet, RequestShapes, completed_config
from autotune.request import RunRequest, expected_payloads
from autotune.search import LocalExecutor, Trial, TrialWatch, starts
from autotune.server import choose_launcher
from autotune.space import Candidate, JointSpace, SearchSpace
from benchmarks.model_analyzer._subjects import find_subject

EXAMPLE = Path(__file__).parents[1] / "examples" / "image_pipeline"
MOST_ERROR, LEAST_CORRELATION = 0.07, 0.9
_LOCATED = Question(certified=False, effort=0.5)
_SPACE = """
parameters:
  max_batch_size: [1, 4, 16]
  dynamic_batching: [true, false]
  max_queue_delay_microseconds: [0, 2000]
  instance_count: [1, 2, 4]
"""


@dataclass(frozen=True)
class Subject:
    """The pipeline as a study has it.

    Attributes:
        executor: Serves and measures a config.
        space: What is drawn from.
        written: The configs as they are.
        base: The same with what Triton would complete.
        objective: Its ceiling.
        requests: The shapes of the requests that are sent in turn.
    """

    executor: LocalExecutor
    space: JointSpace
    written: ConfigSet
    base: ConfigSet
    objective: Objective
    requests: RequestShapes

    @classmethod
    def of(cls, model: str, folder: Path, p99: str, launch: str) -> Subject:
        """The pipeline of that name; closes nothing, as its files lie in ``folder``."""
        if model == "images":
            request = RunRequest(
                model_repository=EXAMPLE / "models", model="pipeline", p99=p99, input_data=[str(EXAMPLE / "images")]
            )
        else:
            find_subject(model, folder / "models")
            request = RunRequest(model_repository=folder / "models", model=model, p99=p99)
        spec, composing = request.find_model()
        models = (spec, *composing)
        traffic = request.traffic(spec, spec.config, composing=composing)
        space, _ = JointSpace.of(SearchSpace.parse(_SPACE, "space"), models)
        deployment = Deployment(spec, choose_launcher(launch)[0], folder, traffic, composing)
        objective = request.goal()
        executor = LocalExecutor(deployment, objective, MeasureOptions.of(1.0), folder / "logs")
        written, base = ([each.config for each in models], [completed_config(each) for each in models])
        shapes = RequestShapes(payload.shapes for payload in expected_payloads(spec, spec.config, traffic))
        return cls(executor, space, ConfigSet.of(*written), ConfigSet.of(*base), objective, shapes)

    def first_trials(self) -> list[TrialOutcome]:
        """What a study begins with: the configs as they are, then plain batching."""
        found = []
        for start in starts(self.written, self.base, self.space, simulates=True, ready=False):
            question = replace(_LOCATED, profiled=True)
            trial = Trial(len(found), start.candidate, start.configs, question)
            found.append(self.executor.execute(trial, TrialWatch()))
        return found

    def drawn(self, count: int, seed: int) -> list[Candidate]:
        """Different configs, each step's at random."""
        random = np.random.default_rng(seed)
        parts = {model: list(space.candidates()) for model, space in self.space.spaces.items()}
        found: dict[str, Candidate] = {}
        candidate = self.space.triton_default(self.base)
        if candidate is None:
            raise SystemExit("the space has no plain config to start from")
        while len(found) < count:
            for model, choices in parts.items():
                candidate = self.space.with_part(candidate, model, choices[random.integers(len(choices))])
            found[candidate.key] = candidate
        return list(found.values())

    def measured_per_s(self, number: int, candidate: Candidate) -> float:
        """The rate that a config sustains on a fresh server; 0 if none."""
        configs = self.space.apply(candidate, self.base)
        outcome = self.executor.execute(Trial(number, candidate, configs, replace(_LOCATED, seed=number)), TrialWatch())
        if outcome.measurement is None:
            raise SystemExit(f"{candidate}: {outcome.kind.value}: {outcome.message}")
        return outcome.measurement.rate_per_s if outcome.measurement.feasible else 0.0

    def forecasts_per_s(self, seen: Sequence[TrialOutcome], candidates: Sequence[Candidate]) -> list[float]:
        """What the simulation says of each, uncorrected."""
        predictor = Predictor.of_pipeline(self.space, self.base, self.objective, requests=self.requests)
        # Those of other studies only add their candidates.
        predictor.learn(seen, elsewhere=[replace(seen[0], candidate=each, measurement=None) for each in candidates])
        if predictor.inapplicable or not predictor.ready:
            raise SystemExit(f"nothing is forecast: {predictor.inapplicable or 'no trial showed the steps'}")
        found = [predictor.forecast(each) for each in candidates]
        return [each.simulated if each is not None and each.keeps else 0.0 for each in found]


def main() -> None:
    """Prints a line a config, then the median error and the rank correlation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", choices=("pipeline", "images"), default="pipeline")
    parser.add_argument("--configs", type=int, default=30)
    parser.add_argument("--p99", default="60ms")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--launch", default="embedded")
    parser.add_argument("--commit", default="", help="the code that is measured, for the JSON file")
    parser.add_argument("--machine", default="", help="what it runs on, for the JSON file")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subject = Subject.of(arguments.model, Path(folder), arguments.p99, arguments.launch)
        try:
            seen = subject.first_trials()
            candidates = subject.drawn(arguments.configs, arguments.seed)
            forecasts = subject.forecasts_per_s(seen, candidates)
            pairs = []
            for number, (candidate, forecast) in enumerate(zip(candidates, forecasts, strict=True), len(seen)):
                pairs.append((forecast, measured := subject.measured_per_s(number, candidate)))
                rates = f"forecast {forecast:,.0f}, measured {measured:,.0f} inferences/s"
                print(f"{describe_candidate(candidate)}: {rates}", flush=True)
        finally:
            subject.executor.deployment.close()
    errors = [abs(forecast / measured - 1) for forecast, measured in pairs if measured]
    if not errors:
        raise SystemExit("no config keeps the ceiling; choose a larger --p99")
    correlation = float(spearmanr(*zip(*pairs, strict=True)).statistic) if len(pairs) > 2 else float("nan")
    print(f"median error {statistics.median(errors) * 100:.1f}% (at most {MOST_ERROR * 100:.0f}%)")
    print(f"rank correlation {correlation:.2f} over {len(pairs)} configs (at least {LEAST_CORRELATION})")
    if arguments.json:
        figures = [
            {
                "name": "sustainable rate, median error",
                "value": round(100 * statistics.median(errors), 1),
                "unit": "%",
                "at_most": round(100 * MOST_ERROR, 1),
            },
            {
                "name": "sustainable rate, rank correlation",
                "value": round(correlation, 2),
                "at_least": LEAST_CORRELATION,
            },
        ]
        run = {
            "question": f"How well are {len(pairs)} random configs of an ensemble of three steps forecast?",
            "command": " ".join(["python -m benchmarks.pipeline_forecast", *sys.argv[1:]]),
            "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
            "commit": arguments.commit,
            "machine": arguments.machine,
            "figures": figures,
        }
        arguments.json.write_text(json.dumps(run, indent=2) + "\n")


if __name__ == "__main__":
    main()
