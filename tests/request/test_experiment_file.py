"""Experiment files: what they become, and the line and key of everything that is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import autotune
from autotune.cli import main
from autotune.errors import UsageError
from autotune.load import ClosedLoop
from autotune.repository import ConfigSet
from autotune.request import ExperimentRequest

CONFIG = 'name: "{name}"\nbackend: "python"\nmax_batch_size: 8\ninstance_group [ {{ count: 1 }} ]\n'
GOOD = """
model_repository: models
variants: {plain: {model: net}}
loads: {concurrency: 8}
"""
Read = Callable[..., ExperimentRequest]
Refuses = Callable[..., str]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    for name in ("net", "other"):
        (tmp_path / "models" / name / "1").mkdir(parents=True)
        (tmp_path / "models" / name / "1" / "model.py").write_text("")
        (tmp_path / "models" / name / "config.pbtxt").write_text(CONFIG.format(name=name))

    def make(text: str, **options: object) -> ExperimentRequest:
        path = tmp_path / "study.yaml"
        path.write_text(text)
        return ExperimentRequest(file=path, results=tmp_path / "results", launch="embedded", **options)

    return make


@pytest.fixture
def refuses(read: Read, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refuses:
    def run(text: str, *flags: str) -> str:
        request = read(text)
        before = sorted(tmp_path.rglob("*"))
        where = ("--results", str(tmp_path / "results"), "--launch", "embedded")
        assert main(["experiment", str(request.file), *where, *flags]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1, captured.err
        assert sorted(tmp_path.rglob("*")) == before
        return captured.err.strip().removeprefix(f"autotune: {request.file}:")

    return run


def test_every_variant_is_asked_by_every_client_under_the_same_loads(read: Read, tmp_path: Path) -> None:
    request = read("""
    about: Two models, two clients.
    model_repository: models
    variants:
      one: {model: net, changes: {instance_group.0.count: 2, max_batch_size: null}}
      two: {model: other, config: other.pbtxt}
    clients:
      http: {}
      memory: {shared-memory: system, protocol: grpc}
    loads: {concurrency: [1, "8:16:8"], batch_size: "1,4", duration: 2s}
    slo: {p99: 5ms}
    rounds: 2
    """)
    file = request.read()
    entries = request.entries(file)
    assert file.name == "study"
    assert [each.name for each in entries] == ["one (http)", "one (memory)", "two (http)", "two (memory)"]
    first, *_, last = entries
    assert first.described() == ("instance_group[0].count: 2", "max_batch_size: removed")
    assert Path(str(last.request.model_repository)) == tmp_path / "models"
    assert (last.request.shared_memory, last.request.protocol, last.request.p99) == ("system", "grpc", "5ms")
    assert list(first.request.loads()[4]) == [ClosedLoop(1), ClosedLoop(8), ClosedLoop(16)]
    spec, composing = first.request.find_model()
    changed = first.applied(ConfigSet.of(spec.config), (spec, *composing)).asked
    assert (changed.instance_count, changed.max_batch_size) == (2, 0)


def test_a_load_that_yaml_takes_for_a_number_in_base_60_is_a_range(read: Read) -> None:
    request = read(GOOD.replace("concurrency: 8", "concurrency: 1:257:64"))
    (entry,) = request.entries(request.read())
    assert [each.concurrency for each in entry.request.loads()[1]] == [1, 65, 129, 193, 257]


def test_options_of_the_command_line_reach_every_measurement(read: Read) -> None:
    request = read(GOOD, triton_arg=["--log-verbose=1"], start_timeout="7s")
    (entry,) = request.entries(request.read())
    assert (entry.request.triton_arg, entry.request.start_timeout) == (("--log-verbose=1",), "7s")


def test_every_ceiling_and_the_certificate_may_be_given(read: Read) -> None:
    loads = "{confidence: 0.9, certify_time: 90s}\nslo: {ceiling: [p99.9=8ms, p50=2ms]}"
    request = read(GOOD.replace("{concurrency: 8}", loads))
    (entry,) = request.entries(request.read())
    assert [str(each) for each in entry.request.ceilings()] == ["p99.9 <= 8ms", "p50 <= 2ms"]
    options = entry.request.measure_options()
    assert (options.confidence, options.certify_s) == (0.9, 90.0)


@pytest.mark.timeout(20)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "study.yaml")
    assert main(["experiment", str(tmp_path / "study.yaml")]) == 2
    assert "study.yaml: it is a pipe or a device" in capsys.readouterr().err


def test_some_variants_only(read: Read) -> None:
    text = GOOD.replace("plain: {model: net}", "plain: {model: net}, other: {model: other}, third: {model: net}")
    request = read(text, variants=["third,plain"])
    assert [each.name for each in request.entries(request.read())] == ["plain", "third"]


def test_a_quick_experiment_has_the_first_and_last_loads_only(read: Read) -> None:
    request = read(GOOD.replace("concurrency: 8", "{concurrency: '1:8', batch_size: '1,2,4'}"[1:-1]), quick=True)
    (entry,) = request.entries(request.read())
    loads = request.shortened(entry.request.loads())
    assert {size: [each.concurrency for each in of] for size, of in loads.items()} == {1: [1, 8], 4: [1, 8]}
    assert request.rounds(request.read()) == 1


@pytest.mark.parametrize(
    ("loads", "verdict", "statistic"),
    [
        ("concurrency: 8", "", ""),
        ("rate: 100", "", "p99"),
        ("rate: 100", "verdict: throughput", ""),
        ("concurrency: 8", "verdict: avg", "avg"),
        ("concurrency: 8", "verdict: none", None),
    ],
)
def test_what_decides_follows_the_load_unless_the_file_says_so(
    read: Read, loads: str, verdict: str, statistic: str | None
) -> None:
    request = read(GOOD.replace("concurrency: 8", loads) + verdict)
    file = request.read()
    assert request.statistic(file, request.entries(file)) == statistic


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("loads:", "lods:", "4: unknown key 'lods' (did you mean 'loads'?)"),
        ("concurrency: 8", "concurency: 8", "4: loads.concurency: is unknown (did you mean 'concurrency'?)"),
        ("concurrency: 8", "concurrency: 8:1", "4: loads.concurrency: '8:1' ends below its start"),
        ("concurrency: 8", "concurrency: {a: 1}", "4: loads.concurrency: expected one value, found a mapping"),
        ("concurrency: 8", "concurrency:", "4: loads.concurrency: has no value"),
        ("concurrency: 8", "concurrency: 8, duration: soon", "4: loads.duration: 'soon' is not a duration"),
        ("concurrency: 8", "scenario: offlin", "4: loads.scenario: 'offlin' is unknown; use offline or online"),
        ("{model: net}", "{model: nett}", "3: variants.plain.model: no model 'nett'"),
        ("{model: net}", "{modl: net}", "3: variants.plain.modl: is unknown (did you mean 'model'?)"),
        ("{model: net}", "{model: net, config: a.pbtxt}", "3: variants.plain.config: cannot read"),
        (
            "{model: net}",
            "{model: net, changes: {instance_grup.0.count: 2}}",
            "3: variants.plain.changes: instance_grup[0].count: unknown config field 'instance_grup'",
        ),
        (
            "{model: net}",
            "{model: net, changes: {max_batch_size: many}}",
            "3: variants.plain.changes: max_batch_size: ",
        ),
        (
            "{model: net}",
            "{model: net, changes: {step/max_batch_size: 2}}",
            "3: variants.plain.changes.step/max_batch_size: 'step' is not served here; it is one of net",
        ),
        ("loads:", "print: [tabel]\nloads:", "4: print: 'tabel' is unknown; use table, lines"),
        ("loads:", "columns: [p98]\nloads:", "4: columns: 'p98' is unknown; use throughput"),
        ("loads:", "verdict: best\nloads:", "4: verdict: 'best' is unknown; use throughput"),
        ("loads:", "rounds: 0\nloads:", "4: rounds: expected a whole number from 1, found '0'"),
        ("loads:", "name: a/b\nloads:", "4: name: 'a/b' is no name of a directory"),
        ("loads:", "clients: {grpc: {protocol: gprc}}\nloads:", "4: clients.grpc.protocol: 'gprc' is unknown"),
        ("loads:", "clients: {it: {streaming: yep}}\nloads:", "4: clients.it.streaming: expected true or false"),
        ("loads:", "slo: {p99: 5}\nloads:", "4: slo.p99: "),
        ("loads:", "data: {input_data: pictures}\nloads:", "4: data.input_data: "),
        ("loads:", "model_repository: models\nloads:", "4: 'model_repository' is there twice; remove one"),
        ("variants: {plain: {model: net}}", "variants: {}", "3: variants: names nothing; name at least one"),
        ("variants: {plain: {model: net}}", "variants: [plain]", "3: variants: expected 'name: value' lines"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_key(refuses: Refuses, old: str, new: str, line: str) -> None:
    assert old in GOOD
    assert refuses(GOOD.replace(old, new)).startswith(line)


def test_a_config_file_needs_no_name_but_must_not_be_of_another_model(
    read: Read, refuses: Refuses, tmp_path: Path
) -> None:
    text = GOOD.replace("{model: net}", "{model: net, config: own.pbtxt, changes: {max_batch_size: 2}}")
    request = read(text)
    (tmp_path / "own.pbtxt").write_text('backend: "python" max_batch_size: 4')
    (entry,) = request.entries(request.read())
    spec, composing = entry.request.find_model()
    (config,) = entry.applied(ConfigSet.of(entry.request.config(spec)), (spec, *composing))
    assert (config.name, config.max_batch_size) == ("net", 2)
    (tmp_path / "own.pbtxt").write_text('name: "other" backend: "python"')
    with pytest.raises(UsageError, match=r":3: variants.plain.config: .*own.pbtxt is of model 'other', not 'net'"):
        autotune.experiment(request.file, results=tmp_path / "results", launch="embedded")


def test_an_option_that_the_file_does_not_give_is_named_with_the_variant(
    refuses: Refuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    line = refuses(GOOD + "clients: {theirs: {client: perf_analyzer}}\n")
    assert line.startswith(" plain: perf_analyzer: no perf_analyzer on PATH; give its path")
    line = refuses(GOOD + "data: {}\n", "--image", "x", "--url", "nowhere:1")
    assert line.startswith("autotune: --")


def test_a_file_that_is_no_experiment(refuses: Refuses) -> None:
    assert refuses("- 1\n").startswith("1: expected 'variants:' and 'loads:' at the top")
    assert refuses("loads: {concurrency: 8}\n").startswith("1: variants: is missing; name at least one")
    assert "is empty; write variants and loads" in refuses("")
    assert refuses("a: [\n").startswith("2: not valid YAML")


def test_a_variant_or_a_file_that_is_not_there(refuses: Refuses, capsys: pytest.CaptureFixture[str]) -> None:
    assert refuses(GOOD, "--variants", "fancy").endswith("has no variant 'fancy'; it has plain")
    assert main(["experiment", "none.yaml"]) == 2
    assert "FILE: cannot read none.yaml: No such file" in capsys.readouterr().err
    assert main(["experiment"]) == 2
    assert "FILE: is missing; name an experiment file" in capsys.readouterr().err
