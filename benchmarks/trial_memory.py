"""What a study keeps in memory for each trial, by the code that allocated it. No server: trials are simulated.

PYTHONPATH=tests/fakes:. python benchmarks/trial_memory.py [--trials 300]
"""

from __future__ import annotations

import argparse
import gc
import pickle
import re
import tempfile
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
from pretended_studies import PretendedExecutor, measured, plan

from autotune.environment import capture
from autotune.outcome import TrialOutcome
from autotune.search import Coordinator, SilentObserver, Trial, TrialWatch
from autotune.store import Store, database_url

_FILE = re.compile(rf"(?:site-packages|{re.escape(str(Path(__file__).resolve().parent.parent))})/(.*)")
SPACE = """parameters:
  max_batch_size: [1, 2, 3, 4, 5, 6, 7, 8]
  max_queue_delay_microseconds: [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100, 1200]
  dynamic_batching: [true]
  instance_count: [1, 2, 3, 4]
"""


class Measured(PretendedExecutor):
    """Each trial has a measurement of its own: a copy of one on the simulated server."""

    def __init__(self) -> None:
        super().__init__()
        self._measured = pickle.dumps(measured(0.001))

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        """See `Executor`."""
        outcome = super().execute(trial, watch)
        self.trials.clear()
        return replace(outcome, measurement=pickle.loads(self._measured))  # noqa: S301 - written above


class Growth(SilentObserver):
    """Samples the process after each trial, and what was allocated after a third and at the end."""

    def __init__(self, trials: int, traced: bool) -> None:
        self.rss_mib: list[float] = []
        self.snapshots: list[tracemalloc.Snapshot] = []
        self.windows = 0
        self._trials, self._traced = trials, traced

    def trial_finished(self, number: int, outcome: TrialOutcome, best: bool) -> None:
        """See `StudyObserver`."""
        gc.collect()
        self.rss_mib.append(psutil.Process().memory_info().rss / 2**20)
        self.windows += len(outcome.measurement.probes) if outcome.measurement else 0
        if self._traced and number in (self._trials // 3, self._trials - 1):
            self.snapshots.append(tracemalloc.take_snapshot())


def main() -> None:
    """Prints the slope of the resident memory, then Markdown tables of what Python allocated for each trial."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=300)
    trials = parser.parse_args().trials
    run(10, traced=False)  # imports
    growth = run(trials, traced=False)
    late = np.array(growth.rss_mib[trials // 3 :])
    slope = np.polyfit(np.arange(len(late)), late, 1)[0]
    each = growth.windows / trials
    print(f"{trials} trials, {each:.1f} windows each: resident memory {slope * 1024:+.1f} KiB a trial\n")
    tracemalloc.start(12)
    before, after = run(trials, traced=True).snapshots
    between = trials - 1 - trials // 3
    table("file", between, by_file(before, after))


def run(trials: int, *, traced: bool) -> Growth:
    """A study of so many trials, with its growth."""
    growth = Growth(trials, traced)
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        store = Store.open(database_url(place))
        wanted = plan(place, trials=trials, space=SPACE, sampler="random", final_rounds=0)
        Coordinator(wanted, store, Measured(), capture({"mode": "simulated"}, ""), growth).run()
        store.close()
    return growth


def by_file(before: tracemalloc.Snapshot, after: tracemalloc.Snapshot) -> Counter[str]:
    """Growth in bytes by the innermost file on the stack that is not the standard library's."""
    grown: Counter[str] = Counter()
    for each in after.compare_to(before, "traceback"):
        names = [match[1] for frame in each.traceback if (match := _FILE.search(frame.filename))]
        grown[names[-1] if names else "standard library"] += each.size_diff
    return grown


def table(what: str, trials: int, grown: Counter[str]) -> None:
    """Prints the largest."""
    print(f"| {what} | KiB a trial |\n|---|---|")
    for name, size in grown.most_common(20):
        print(f"| {name} | {size / 1024 / trials:.2f} |")
    print(f"| all | {sum(grown.values()) / 1024 / trials:.2f} |\n")


if __name__ == "__main__":
    main()
