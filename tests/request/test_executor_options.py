"""Options of executors and of several models: what does not go together is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import write_double

from autotune.errors import UsageError
from autotune.request import RunRequest


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"executor": "dask"}, "--executor: 'dask' is unknown; use local or ray"),
        ({"executor": "ray"}, "--executor: ray needs a cluster; add --address"),
        ({"address": "auto"}, "--address: only --executor ray uses it"),
        ({"workers": 4}, "--workers: only --executor ray uses it"),
        ({"staging": "copy"}, "--staging: only --executor ray uses it"),
        ({"per_hardware": True}, "--per-hardware: only --executor ray uses it"),
        ({"prices": "prices.yaml"}, "--prices: only --executor ray uses it"),
        ({"executor": "ray", "address": "auto", "prices": "prices.yaml"}, "--prices: only --per-hardware compares"),
        (
            {"executor": "ray", "address": "auto", "staging": "s3"},
            "--staging: 's3' is unknown; use auto, path, copy or s3://",
        ),
        ({"executor": "ray", "address": "auto", "staging": "s3://"}, "--staging: 's3://' is unknown"),
        ({"executor": "ray", "address": "auto", "worker_cpus": 2, "worker_resource": "a"}, "--worker-resource: given"),
        ({"executor": "ray", "address": "auto", "worker_resource": "a=none"}, "--worker-resource: 'a=none' is no"),
        ({"executor": "ray", "address": "auto", "worker_resource": "GPU=1"}, "--worker-resource: 'GPU=1' is no"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError) as error:
        RunRequest(**options).on_ray()
    assert str(error.value).startswith(line)


def test_a_trial_takes_one_gpu_unless_another_resource_is_named() -> None:
    assert RunRequest().resources() == {"GPU": 1.0}
    assert RunRequest(worker_cpus=4).resources() == {"CPU": 4.0}
    assert RunRequest(worker_resource="slice").resources() == {"slice": 1.0}
    assert RunRequest(worker_resource="slice=0.5").resources() == {"slice": 0.5}


def ensemble(repository: Path, name: str, step: str) -> None:
    (repository / name / "1").mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(
        f'name: "{name}"\nplatform: "ensemble"\nmax_batch_size: 8\n'
        'input [{ name: "x" data_type: TYPE_FP32 dims: [4] }]\noutput [{ name: "y" data_type: TYPE_FP32 dims: [4] }]\n'
        f'ensemble_scheduling {{ step [{{ model_name: "{step}" model_version: -1 '
        'input_map { key: "input" value: "x" } output_map { key: "output" value: "y" } }] }\n'
    )


def test_all_leaves_out_the_steps_of_an_ensemble(tmp_path: Path) -> None:
    write_double(tmp_path)
    ensemble(tmp_path, "pipeline", "double")

    assert [name for name, _ in RunRequest(tmp_path, all=True).fleet()] == ["pipeline"]
    assert [name for name, _ in RunRequest(tmp_path, each=("double,pipeline",)).fleet()] == ["double", "pipeline"]
    assert RunRequest(tmp_path).fleet() == ()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"all": True, "model": "double"}, "--all: tunes one model after the other; drop it or --model"),
        ({"each": ("double",), "study": "s"}, "--each: tunes one model after the other; drop it or --study"),
        ({"all": True, "models": "double,b"}, "--all: tunes one model after the other; drop it or --models"),
        ({"all": True, "each": ("double",)}, "--all: tunes one model after the other; drop it or --each"),
        ({"each": ("dobule",)}, r"--each: no model 'dobule'"),
    ],
)
def test_one_model_among_several_is_refused(tmp_path: Path, options: dict[str, object], line: str) -> None:
    write_double(tmp_path)
    with pytest.raises(UsageError) as error:
        RunRequest(tmp_path, **options).fleet()
    assert str(error.value).startswith(line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, r"^--prices: cannot read .*prices.yaml: .*; name a YAML file of prices$"),
        ("a: [", r"^--prices: .*prices.yaml:1: not YAML"),
        ("- 4.2", r"^--prices: .*prices.yaml: expected lines such as 'nvidia-h200: 4.2', a price per hour$"),
        ("nvidia-h200: free", r"prices.yaml: nvidia-h200: expected a price per hour above 0, found 'free'$"),
        ("nvidia-h200: 0", r"expected a price per hour above 0, found 0$"),
        ("nvidia-h200: .nan", r"expected a price per hour above 0, found nan$"),
    ],
)
def test_prices_that_cannot_be_read_are_refused(tmp_path: Path, text: str | None, line: str) -> None:
    if text is not None:
        (tmp_path / "prices.yaml").write_text(text)
    with pytest.raises(UsageError, match=line):
        RunRequest(prices=tmp_path / "prices.yaml").known_prices()


def test_the_first_line_that_names_the_kind_its_gpu_or_its_cpu_has_the_price(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text('"NVIDIA L4": 0.7\n"*epyc*": 0.4\n2x-nvidia-l4: 1.3\n')
    prices = RunRequest(prices=tmp_path / "prices.yaml").known_prices()
    assert prices is not None
    assert prices.of("nvidia-l4", ("NVIDIA L4", "AMD EPYC 7R13")) == 0.7
    assert prices.of("2x-nvidia-l4", ("NVIDIA L4", "AMD EPYC 7R13")) == 1.3
    assert prices.of("amd-epyc-7r13-8-cores", ("AMD EPYC 7R13",)) == 0.4
    with pytest.raises(UsageError, match=r"has no price for 'intel-xeon-4-cores' or 'Intel Xeon'; add a line"):
        prices.of("intel-xeon-4-cores", ("Intel Xeon",))
