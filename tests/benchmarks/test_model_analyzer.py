"""The parts of ``benchmarks/model_analyzer`` that read what others wrote and end what others started."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autotune.errors import UsageError
from benchmarks.model_analyzer import _ours, _peer
from benchmarks.model_analyzer._bounded import Ended, run_bounded
from benchmarks.model_analyzer._checkpoint import Point, best, read_points
from benchmarks.model_analyzer._referee import Load, Sweep
from benchmarks.model_analyzer._search import Search
from benchmarks.model_analyzer._subjects import find_subject
from benchmarks.model_analyzer._table import searches_table, verdicts

SLOW, FAST, LATE = (
    ("model_config_0", 4, 100.0, 5.0),
    ("model_config_1", 16, 300.0, 10.0),
    ("model_config_1", 32, 400, 11),
)


def measurement(variant, concurrency, rate_per_s, p99_ms):
    records = [
        ["perf_latency_p99", {"_value": p99_ms, "_timestamp": 0}],
        ["perf_throughput", {"_value": rate_per_s, "_timestamp": 0}],
    ]
    parameters = {"batch-size": 1, "concurrency-range": concurrency, "request-rate-range": None}
    of_model = {"_model_config_name": "model", "_model_specific_pa_params": parameters, "_non_gpu_data": records}
    return {"_model_variants_name": variant, "_gpu_data": {}, "_model_config_measurements": [of_model]}


def write_checkpoint(directory, *points, number=0):
    variants = {}
    for variant, *rest in points:
        measurements = variants.setdefault(variant, [{"_triton_env": {}}, {}])[1]
        measurements[f"-m model --concurrency-range={rest[0]}"] = measurement(variant, *rest)
    directory.mkdir(parents=True, exist_ok=True)
    state = {"ResultManager.results": {"_results": {"model": variants}}, "MetricsManager.gpus": {}}
    (directory / f"{number}.ckpt").write_text(json.dumps(state))


def write_run(directory, *points):
    """What Model Analyzer leaves behind: checkpoint, variants and log."""
    write_checkpoint(directory / "checkpoints", *points)
    for variant in {point[0] for point in points}:
        (directory / "variants" / variant).mkdir(parents=True)
        (directory / "variants" / variant / "config.pbtxt").write_text(f"# {variant}\n")
    (directory / "log").write_text("[Model Analyzer] starting\n[Model Analyzer] ERROR: no such model\n")


def test_every_point_of_the_checkpoint_is_read_in_seconds(tmp_path):
    write_checkpoint(tmp_path, SLOW, FAST, LATE)
    assert read_points(tmp_path, "model") == (
        Point(("model_config_0",), 4, 100.0, 0.005),
        Point(("model_config_1",), 16, 300.0, 0.010),
        Point(("model_config_1",), 32, 400.0, 0.011),
    )


def test_the_configs_of_composing_models_are_named_at_the_end_of_a_points_command(tmp_path):
    write_checkpoint(tmp_path, SLOW)
    file = tmp_path / "0.ckpt"
    file.write_text(
        file.read_text().replace("--concurrency-range=4", "--concurrency-range=4 first_config_2,last_config_0")
    )
    (point,) = read_points(tmp_path, "model")
    assert point.variants == ("model_config_0", "first_config_2", "last_config_0")


@pytest.mark.parametrize(
    ("name", "steps"), [("pipeline", ["preprocess", "network", "postprocess"]), ("caller", []), ("knee", [])]
)
def test_emulated_models_are_written_with_the_models_they_need(tmp_path, name, steps):
    subject = find_subject(name, tmp_path)
    assert [each["model_name"] for each in subject.spec.config.value("ensemble_scheduling.step") or ()] == steps
    assert subject.called is (name == "caller")
    assert {path.name for path in tmp_path.iterdir()} == set(subject.models)


def test_the_checkpoint_with_the_highest_number_counts(tmp_path):
    write_checkpoint(tmp_path, SLOW, number=9)
    write_checkpoint(tmp_path, SLOW, FAST, number=10)
    assert len(read_points(tmp_path, "model")) == 2


def test_without_a_checkpoint_or_the_model_there_are_no_points(tmp_path):
    assert read_points(tmp_path, "model") == ()
    write_checkpoint(tmp_path, SLOW)
    assert read_points(tmp_path, "another") == ()


@pytest.mark.parametrize("text", ['{"ResultManager.results": {"_resu', "[]", '{"ResultManager.results": {}}'])
def test_a_checkpoint_cut_short_or_of_another_form_is_an_error_that_names_it(tmp_path, text):
    (tmp_path / "0.ckpt").write_text(text)
    with pytest.raises(ValueError, match=r"0\.ckpt"):
        read_points(tmp_path, "model")


def test_the_best_point_is_the_fastest_of_those_at_or_under_the_ceiling(tmp_path):
    write_checkpoint(tmp_path, SLOW, FAST, LATE)
    points = read_points(tmp_path, "model")
    assert best(points, 0.010) == Point(("model_config_1",), 16, 300.0, 0.010)
    assert best(points, 0.001) is None


def test_a_finished_search_gives_the_text_of_its_best_config(tmp_path):
    write_run(tmp_path, SLOW, FAST, LATE)
    found = _peer.outcome(Ended(60.0, 0, 0), time.time() - 60, "peer", "model", 10, tmp_path)
    assert found.finished
    assert (found.tried, found.points, found.reported_per_s) == (2, 3, 300.0)
    assert found.configs == {"model": "# model_config_1\n"}


def test_a_search_ended_early_gives_the_best_point_so_far_and_says_when_it_ended(tmp_path):
    write_run(tmp_path, SLOW)
    found = _peer.outcome(Ended(60.0, None, 3), time.time() - 60, "peer", "model", 10, tmp_path)
    assert not found.finished
    assert found.message == "unfinished after 60 s"
    assert found.reported_per_s == 100.0


def test_a_failed_search_says_its_last_words(tmp_path):
    write_run(tmp_path)
    found = _peer.outcome(Ended(5.0, 1, 0), time.time() - 5, "peer", "model", 10, tmp_path)
    assert found.message == "failed with exit code 1: [Model Analyzer] ERROR: no such model; nothing was measured"
    assert found.configs == {}


def test_a_missing_model_analyzer_is_named_with_the_remedy(tmp_path):
    with pytest.raises(UsageError, match="install triton-model-analyzer"):
        _peer.find_model_analyzer(tmp_path / "model-analyzer")


def test_our_search_without_a_feasible_config_exports_nothing():
    trial = {"configs": {"model": "a"}, "probes": [{}, {}]}
    result = {"trials": [trial, trial], "best": None, "seconds": 9.0}
    found = _ours.outcome(result, 11.0)
    assert (found.configs, found.tried, found.points) == ({}, 1, 4)
    assert found.message == "no config kept the ceiling"


def searches(finished):
    message = "" if finished else "unfinished after 100 s"
    return [
        Search("autotune", True, 15.0, 40.0, configs={"model": "a"}),
        Search("Model Analyzer quick", finished, 100.0, 100.0, configs={"model": "b"}, message=message),
    ]


def sweeps(ours, theirs):
    def of(rates):
        return [Sweep((), Load(8, rate, 0.01, 0)) for rate in rates]

    return {"autotune": of(ours), "Model Analyzer quick": of(theirs)}


def test_verdicts_compare_times_and_the_medians_of_the_rounds_with_their_targets():
    assert verdicts("accelerator", searches(True), sweeps([150, 900, 140], [100, 100, 1])) == [
        "search: 0.15 of quick's time, target 0.20: reached",
        "whole run: 0.40 of quick's time, target 0.50: reached",
        "throughput: 1.50 times Model Analyzer quick's, target 1.4: reached",
    ]


def test_an_unfinished_search_can_show_that_a_target_is_reached_but_not_that_it_is_missed():
    slow = [Search("autotune", True, 45.0, 60.0, configs={"model": "a"}), searches(False)[1]]
    assert verdicts("mnist", slow, {})[0] == "search: at most 0.45 of quick's time, target 0.20: undecided"


def test_an_unfinished_search_bounds_our_share_of_its_time():
    lines = verdicts("mnist", searches(False), sweeps([90], [100]))
    assert lines[0] == "search: at most 0.15 of quick's time, target 0.20: reached"
    assert lines[-1] == "throughput: 0.90 times Model Analyzer quick's, target 1: not reached"
    assert "| unfinished after 100 s |" in searches_table(searches(False), {})


def test_a_command_over_its_limit_is_ended_with_children_in_sessions_of_their_own(tmp_path):
    pid_file = tmp_path / "pid"
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    ended = run_bounded([sys.executable, "-c", script], tmp_path / "out", 2.0)
    assert ended.returncode is None
    assert ended.left_behind == 1
    assert not running(int(pid_file.read_text()))


def test_what_a_command_leaves_running_when_it_ends_is_ended_too(tmp_path):
    script = "import subprocess; print(subprocess.Popen(['sleep', '60'], start_new_session=True).pid)"
    ended = run_bounded([sys.executable, "-c", script], tmp_path / "out", 20.0)
    assert (ended.returncode, ended.left_behind) == (0, 1)
    assert not running(int((tmp_path / "out").read_text()))


def test_processes_of_others_are_left_alone(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as other:
        run_bounded(["true"], tmp_path / "out", 20.0)
        survived = running(other.pid)
        other.kill()
    assert survived


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
