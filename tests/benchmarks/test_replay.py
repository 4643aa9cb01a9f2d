"""``benchmarks/replay`` on grids that are computed rather than recorded: no server, the optimum known."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from service_windows import alone_s, copying, device_s, saturated, screen, sharing

from autotune.measurement import LOCATED_RATE, Question
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.prediction import Window, _simulated_space, service_times
from autotune.search import Trial, TrialWatch
from autotune.search._starts import starts
from autotune.simulator import Batching, ServiceTimes, highest_rates
from autotune.space import Candidate, SearchSpace
from benchmarks.replay._devices import device
from benchmarks.replay._executor import LookupExecutor
from benchmarks.replay._grid import Grid, RecordedStart
from benchmarks.replay._pack import noise, pack
from benchmarks.replay._plot import plot
from benchmarks.replay._record import Recorder
from benchmarks.replay._replay import Replay, replay
from benchmarks.replay._simulated import closeness
from benchmarks.replay._simulations import remembered
from benchmarks.replay._subjects import SUBJECTS, Subject
from benchmarks.replay._table import quantile, regret, restarts_to_close, table, verdict
from benchmarks.replay._windows import packed, unpacked
from benchmarks.replay._working import Entry, WorkingFile

SPACE = """
parameters:
  max_batch_size: [1, 4, 8, 16, 32, 64]
  dynamic_batching: [true, false]
  max_queue_delay_microseconds: [0, 500, 2000]
  instance_count: [1, 2, 4]
"""
SIZES = np.arange(1, 65)
TIMES = ServiceTimes(
    np.array([alone_s(size) - device_s(size) for size in SIZES]),
    np.array([device_s(size) for size in SIZES]),
    np.array([0.0003]),
    np.ones(1),
)
LONG_S, SHORT_S = 4.0, 1.0


def windows(instances: int) -> list[dict]:
    made = [saturated(size) if instances == 1 else sharing(size, instances) for size in (1, 8, 32, 64)]
    return packed(each.probe for each in [screen(), *made])


def computed(space_text: str = SPACE, subject: Subject = SUBJECTS["accelerator"]) -> Grid:
    """A grid whose rates the simulator computed from known service times."""
    space = subject.space_of(space_text, "space")
    batchings = [Batching.of(space.apply(candidate, subject.base).asked) for candidate in space.candidates()]
    rates = highest_rates([each for each in batchings if each], TIMES, subject.objective.ceilings, requests=4000)
    keys = [candidate.key for candidate in space.candidates()]
    begun = {}
    for start in starts(subject.written, subject.base, space, simulates=True, ready=False):
        key = start.candidate.key if start.candidate else ""
        rate = rates[keys.index(key)].rate_per_s if key else 1000.0
        begun[key] = RecordedStart(start.label, key, rate, LONG_S, windows(start.configs.asked.instance_count or 1))
    return Grid(
        subject=subject,
        space=space,
        space_text=space_text,
        probe_s=0.3,
        recorded_on="2026-01-01",
        environment="computed",
        measured={5: 3},
        noise=0.02,
        unlocated_s=SHORT_S,
        reference=[1000.0],
        starts=list(begun.values()),
        rates_per_s=[each.rate_per_s for each in rates],
        seconds=[LONG_S] * len(rates),
        repeats=[1000.0, 1010.0],
    )


@pytest.fixture(scope="module")
def grid() -> Grid:
    return computed()


def trial(grid: Grid, number: int, question: Question = LOCATED_RATE) -> Trial:
    """A trial of the space's candidate of that number."""
    candidate = list(grid.space.candidates())[number]
    return Trial(number, candidate, grid.configs_of(candidate), question)


def best_number(grid: Grid) -> int:
    return grid.rates_per_s.index(grid.optimum_per_s)


def test_a_grid_is_read_as_it_was_written(grid: Grid, tmp_path: Path) -> None:
    grid.write(tmp_path / "grid.json")
    assert Grid.read(tmp_path / "grid.json") == grid


def test_a_grid_of_another_space_than_it_says_is_refused(grid: Grid, tmp_path: Path) -> None:
    path = tmp_path / "grid.json"
    grid.write(path)
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "space": kept["space"].replace("64]", "128]")}))
    with pytest.raises(ValueError, match="record it again"):
        Grid.read(path)


def test_a_grid_that_lacks_a_config_is_refused(grid: Grid) -> None:
    with pytest.raises(ValueError, match=f"{grid.space.size - 1} rates for {grid.space.size} configs"):
        replace(grid, rates_per_s=grid.rates_per_s[1:])


def test_packed_windows_teach_the_same_service_times() -> None:
    originals = [screen(), saturated(8), copying(saturated(64), 10_000, 30_000), sharing(8, 4), sharing(64, 4)]
    instances = [each.instances for each in originals]
    again = unpacked(json.loads(json.dumps(packed(each.probe for each in originals))))
    found = service_times([Window(count, probe) for count, probe in zip(instances, again, strict=True)], 64)
    wanted = service_times(originals, 64)
    assert found is not None
    assert wanted is not None
    for name in ("host_s", "device_s", "overhead_s"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-3, abs=1e-6)
    assert found.handed_out == wanted.handed_out == 0.75


def test_a_looked_up_trial_finds_the_recorded_rate_but_for_the_noise(grid: Grid) -> None:
    exact = LookupExecutor(grid, 0.0, seed=1).execute(trial(grid, 5), TrialWatch())
    assert exact.feasible
    assert exact.measurement is not None
    assert exact.measurement.rate_per_s == grid.rates_per_s[5]
    assert exact.seconds == LONG_S
    errors = []
    for seed in range(200):
        found = LookupExecutor(grid, 0.05, seed).execute(trial(grid, 5), TrialWatch()).measurement
        assert found is not None
        errors.append(math.log(found.rate_per_s / grid.rates_per_s[5]))
    assert np.std(errors) == pytest.approx(0.05, rel=0.2)
    assert abs(np.mean(errors)) < 0.015


def test_the_same_seed_finds_the_same(grid: Grid) -> None:
    executor = LookupExecutor(grid, 0.05, seed=7)
    assert executor.execute(trial(grid, 3), TrialWatch()) == executor.execute(trial(grid, 3), TrialWatch())


def test_a_beaten_trial_costs_less_than_a_survivor_and_gives_a_bound_only(grid: Grid) -> None:
    executor = LookupExecutor(grid, 0.0, seed=0)
    number = best_number(grid)
    beaten = executor.execute(trial(grid, number, Question(beat_per_s=1.1 * grid.optimum_per_s)), TrialWatch())
    survivor = executor.execute(trial(grid, number, Question(beat_per_s=0.9 * grid.optimum_per_s)), TrialWatch())
    assert beaten.kind is OutcomeKind.PRUNED
    assert beaten.measurement is not None
    assert beaten.measurement.beaten_by_per_s == 1.1 * grid.optimum_per_s
    assert beaten.measurement.rate_per_s == 0
    assert survivor.feasible
    race_s = 0.3
    assert beaten.seconds == pytest.approx(SHORT_S + race_s)
    assert survivor.seconds == pytest.approx(LONG_S + race_s)


def test_a_config_without_a_rate_keeps_no_ceiling_however_it_is_asked(grid: Grid) -> None:
    hopeless = replace(grid, rates_per_s=[0.0] * grid.space.size)
    found = LookupExecutor(hopeless, 0.1, seed=0).execute(trial(grid, 0, Question(beat_per_s=10.0)), TrialWatch())
    assert found.kind is OutcomeKind.INFEASIBLE
    assert found.measurement is not None
    assert max(found.measurement.violations.values()) > 0


def test_only_a_profiled_start_tells_how_long_executions_take(grid: Grid) -> None:
    start = next(each for each in grid.starts if each.label == "largest batch")
    number = grid.index[start.key]
    executor = LookupExecutor(grid, 0.0, seed=0)
    plain = executor.execute(trial(grid, number), TrialWatch()).measurement
    profiled = executor.execute(trial(grid, number, Question(profiled=True)), TrialWatch()).measurement
    assert plain is not None
    assert profiled is not None
    assert not plain.probes
    assert len(profiled.probes) == len(start.windows)


def test_the_persons_own_config_may_lie_outside_the_space() -> None:
    outside = computed(SPACE.replace("4, 8, 16", "4, 16"))
    found = LookupExecutor(outside, 0.0, 0).execute(Trial(0, None, outside.subject.written), TrialWatch())
    assert found.measurement is not None
    assert found.measurement.rate_per_s == 1000.0


def test_replaying_the_whole_space_without_noise_ends_at_the_optimum(grid: Grid) -> None:
    small = computed("parameters: {max_batch_size: [2, 8, 32], dynamic_batching: [true], instance_count: [1, 2]}")
    found = replay(small, "grid", seed=0, restarts=small.space.size, noise=0.0)
    assert len(found.chosen_per_s) == small.space.size
    assert found.chosen_per_s[-1] >= small.optimum_per_s / 1.02  # what beats the best by less than 2% is not looked for
    assert list(found.chosen_per_s) == sorted(found.chosen_per_s)
    assert list(found.elapsed_s) == sorted(found.elapsed_s)


def test_the_simulation_finds_the_optimum_of_what_it_simulated_in_eight_restarts(grid: Grid) -> None:
    with remembered(arrivals=1):
        found = [replay(grid, "model", seed, restarts=10, noise=0.01) for seed in range(3)]
    assert max(restarts_to_close(each, grid.optimum_per_s) for each in found) <= 8


def test_a_grid_that_was_simulated_is_told_to_be_close_and_one_turned_around_is_not(grid: Grid) -> None:
    found = closeness(grid, varies_by=1e-9)  # as the grid's executions, which do not vary
    assert abs(found.bias) < 0.05
    assert found.spread < 0.02
    assert found.rank_correlation > 0.9
    assert found.regret < 0.05
    assert closeness(grid, varies_by=0.3).bias < found.bias - 0.1
    turned = closeness(replace(grid, rates_per_s=grid.rates_per_s[::-1]))
    assert turned.spread > 0.2
    assert turned.rank_correlation < 0.5


def test_a_seed_replays_the_same_study_and_another_one_another(grid: Grid) -> None:
    reversed_grid = replace(grid, rates_per_s=grid.rates_per_s[::-1])  # so that the starts do not have the best
    first, again, other = (replay(reversed_grid, "random", seed, restarts=8, noise=0.02) for seed in (0, 0, 1))
    assert first == again
    assert first.chosen_per_s != other.chosen_per_s


def test_seeds_that_share_arrivals_simulate_once(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    def counting(candidates, service, ceilings, *, seed, **how):
        seeds.append(seed)
        return highest_rates(candidates, service, ceilings, seed=seed, **how)

    monkeypatch.setattr(_simulated_space, "highest_rates", counting)
    with remembered(arrivals=2):
        replay(grid, "model", 0, restarts=4, noise=0.0)
        once = len(seeds)
        replay(grid, "model", 2, restarts=4, noise=0.0)
        assert len(seeds) == once > 0
        replay(grid, "model", 1, restarts=4, noise=0.0)
    assert len(seeds) > once
    assert set(seeds) == {0, 1}


def test_finals_measure_anew_and_tell_apart_what_single_trials_did_not(grid: Grid) -> None:
    with remembered(arrivals=1):
        found = [replay(grid, "model", seed, restarts=8, noise=0.1, final_rounds=3) for seed in range(12)]
        assert replay(grid, "model", 3, restarts=8, noise=0.1, final_rounds=3) == found[3]
        alone = replay(grid, "model", 3, restarts=8, noise=0.1)
    assert alone.chosen_per_s == found[3].chosen_per_s
    assert alone.delivered_per_s == alone.chosen_per_s[-1]
    chosen, delivered = (
        np.mean([rate(each) / each.tried_per_s[-1] for each in found])
        for rate in (lambda each: each.chosen_per_s[-1], lambda each: each.delivered_per_s)
    )
    assert chosen < delivered < 1


def study(*chosen_per_s: float, delivered_per_s: float = 0.0) -> Replay:
    elapsed_s = [2.0 * (number + 1) for number in range(len(chosen_per_s))]
    tried_per_s = np.maximum.accumulate(chosen_per_s).tolist()
    return Replay("model", 0, chosen_per_s, tried_per_s, elapsed_s, "", delivered_per_s)


def test_close_is_where_the_chosen_config_is_and_stays_within_three_percent() -> None:
    assert restarts_to_close(study(50, 98, 99), 100) == 2
    assert restarts_to_close(study(98, 90, 97), 100) == 3
    assert restarts_to_close(study(100), 100) == 1
    assert restarts_to_close(study(98, 96.9), 100) == math.inf


def test_a_study_that_ended_keeps_its_regret() -> None:
    assert regret(study(50, 90), 1, 100) == pytest.approx(0.5)
    assert regret(study(50, 90), 8, 100) == pytest.approx(0.1)


def test_a_quantile_counts_seeds_that_never_came_close() -> None:
    assert quantile([3, 1, math.inf, 2], 0.5) == 2
    assert quantile([*range(95), *[math.inf] * 5], 0.95) == 94
    assert quantile([*range(94), *[math.inf] * 6], 0.95) == math.inf


def test_the_target_is_reached_with_95_percent_of_the_seeds(grid: Grid) -> None:
    close, far = study(grid.optimum_per_s), study(0.9 * grid.optimum_per_s)
    assert "in 95% of seeds, target 95%: reached" in verdict(grid, {"model": [close] * 19 + [far]})
    assert "in 90% of seeds, target 95%: not reached" in verdict(grid, {"model": [close] * 18 + [far] * 2})
    assert verdict(grid, {"random": [close]}) == ""


def test_what_was_chosen_tried_and_delivered_have_shares_of_their_own(grid: Grid) -> None:
    best = grid.optimum_per_s
    missed = replace(study(0.9 * best), tried_per_s=[0.99 * best])
    short = [missed, missed, missed, study(0.98 * best, delivered_per_s=0.97 * best)]
    short[0] = replace(missed, delivered_per_s=best)
    cells = table(grid, {"model": [study(best)]}, {"model": short}).splitlines()[2].split(" | ")
    assert cells[3:6] == ["25% of 4", "100%", "50%"]


def test_table_and_plot_show_every_sampler(grid: Grid) -> None:
    found = {"model": [study(90, grid.optimum_per_s)], "random": [study(0, 10, 20)]}
    lines = table(grid, found, found).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| model", "| random"]
    assert len({line.count("|") for line in lines}) == 1
    assert "over 3" in lines[3]
    drawn = ET.fromstring(plot(grid, found))  # noqa: S314 - we wrote it
    curves = [each for each in drawn.iter() if each.tag.endswith("polyline")]
    assert len(curves) == 4  # two samplers, two panels
    assert "random" in "".join(drawn.itertext())


HEAD = {
    "name": "accelerator",
    "model": "accelerator",
    "p99": "20ms",
    "timings_ms": {},
    "space": SPACE,
    "probe_s": 0.3,
    "recorded_on": "2026-01-01",
    "environment": "computed",
}


class Recorded:
    """Answers from a grid, until it is interrupted."""

    def __init__(self, grid: Grid, interrupted_after: int | None = None) -> None:
        self.trials: list[Trial] = []
        self._executor = LookupExecutor(grid, 0.0, seed=0)
        self._interrupted_after = interrupted_after

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        found = self._executor.execute(trial, watch)
        if len(self.trials) == self._interrupted_after:
            return replace(found, kind=OutcomeKind.INTERRUPTED)
        self.trials.append(trial)
        return found


def record(path: Path, executor: Recorded) -> WorkingFile:
    working = WorkingFile.open(path, HEAD)
    Recorder(working, seed=0, reference_every=10, again=3).run(executor, math.inf)
    return working


def test_what_was_recorded_is_what_is_packed(grid: Grid, tmp_path: Path) -> None:
    working = record(tmp_path / "grid.jsonl", Recorded(grid))
    found = pack(working)
    assert found.rates_per_s == pytest.approx(grid.rates_per_s, rel=1e-3)
    assert found.noise == pytest.approx(0.0)
    assert [start.windows for start in found.starts] == [start.windows for start in grid.starts]
    again = [entry.name for _, entry in working.of("again")]
    best = np.argsort([-rate for rate in found.rates_per_s], kind="stable")[:3]
    assert sorted(again) == sorted([str(each) for each in best] * 2)
    assert found.measured == {int(each): 3 for each in best}


def test_an_interrupted_recording_goes_on_where_it_was(grid: Grid, tmp_path: Path) -> None:
    path = tmp_path / "grid.jsonl"
    first = Recorded(grid, interrupted_after=20)
    record(path, first)
    with path.open("a") as file:
        file.write('{"task": "conf')  # as a process leaves it that is killed while it writes
    second = Recorded(grid)
    working = record(path, second)
    names = [entry.name for _, entry in working.of("config")]
    assert len(names) == len(set(names)) == grid.space.size
    assert 0 < len(second.trials) < len(working.entries)
    assert pack(working).rates_per_s == pytest.approx(grid.rates_per_s, rel=1e-3)


def test_the_best_of_a_grid_is_not_the_luckiest(grid: Grid, tmp_path: Path) -> None:
    class Lucky(Recorded):
        """Measures every third config by half too high, but only the first time."""

        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            found = super().execute(trial, watch)
            assert found.measurement is not None
            before = sum(each.candidate == trial.candidate for each in self.trials)
            luck = 1.5 if before == 1 and trial.number % 3 == 0 else 1.0
            return replace(
                found, measurement=replace(found.measurement, rate_per_s=luck * found.measurement.rate_per_s)
            )

    working = record(tmp_path / "grid.jsonl", Lucky(grid))
    assert pack(working).optimum_per_s == pytest.approx(grid.optimum_per_s, rel=1e-3)


def test_a_recording_that_is_not_finished_cannot_be_packed(grid: Grid, tmp_path: Path) -> None:
    working = record(tmp_path / "grid.jsonl", Recorded(grid, interrupted_after=20))
    with pytest.raises(SystemExit, match="were not measured yet"):
        pack(working)


def test_a_recording_of_another_space_is_not_gone_on_with(tmp_path: Path) -> None:
    WorkingFile.open(tmp_path / "grid.jsonl", HEAD)
    with pytest.raises(SystemExit, match="begun with another space"):
        WorkingFile.open(tmp_path / "grid.jsonl", {**HEAD, "space": "another"})
    assert WorkingFile.open(tmp_path / "grid.jsonl", {**HEAD, "recorded_on": "2026-01-02"}).entries == []


def test_noise_is_that_from_one_reference_to_the_next() -> None:
    random = np.random.default_rng(0)
    drifting = np.linspace(1.0, 1.3, 400) * np.exp(random.normal(0, 0.02, 400))
    assert noise(drifting.tolist()) == pytest.approx(0.02, rel=0.15)
    assert noise([1.0, 2.0, 3.0]) is None


def test_entries_survive_the_file(tmp_path: Path) -> None:
    working = WorkingFile.open(tmp_path / "grid.jsonl", HEAD)
    entry = Entry("start", "your config", 1.5, 2.0, 1.0, 1, "key", windows(1), "words", 0)
    working.append(entry)
    assert WorkingFile.read(tmp_path / "grid.jsonl").entries == [entry]


def test_every_recorded_space_has_the_size_that_the_target_asks_for() -> None:
    for subject in SUBJECTS.values():
        if subject.space == "batching":
            space, _ = SearchSpace.default().coarse.restricted_to(subject.spec)
            assert space.size >= 400


def test_timings_reach_the_config() -> None:
    config = SUBJECTS["accelerator_host"].spec.config
    assert config.value("parameters.host_ms") == "6"
    assert SUBJECTS["accelerator_host"].objective.ceilings[0].limit_s == pytest.approx(0.04)


def test_a_device_is_served_with_its_curve_at_half_its_speed() -> None:
    subject = device("knee_21").served
    curve = dict(each.split(":") for each in str(subject.spec.config.value("parameters.device_curve_ms")).split(", "))
    assert (subject.name, subject.p99, len(curve)) == ("knee_21_served", "44ms", 64)
    assert [float(curve[size]) for size in ("1", "21", "22")] == pytest.approx([4.1, 6.1, 6.9])


def test_a_start_is_found_by_its_candidate(grid: Grid) -> None:
    first = grid.starts[0]
    candidate = next(each for each in grid.space.candidates() if each.key == first.key)
    assert grid.start(candidate) is first
    assert grid.start(Candidate((("max_batch_size", 3),))) is None


def test_a_config_that_keeps_no_ceiling_though_it_should_is_measured_again(grid: Grid, tmp_path: Path) -> None:
    class Hiccup(Recorded):
        def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
            found = super().execute(trial, watch)
            first = sum(each.number == trial.number for each in self.trials) == 1
            return replace(found, kind=OutcomeKind.CRASHED, measurement=None) if first else found

    working = record(tmp_path / "grid.jsonl", Hiccup(grid))
    assert pack(working).rates_per_s == pytest.approx(grid.rates_per_s, rel=1e-3)
