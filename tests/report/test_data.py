"""A study's data for other programs."""

from __future__ import annotations

import csv
import io
import json
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from documented_studies import MARKUP, infeasible_study, outcome, tuned_study, window
from stored_trials import begin

from autotune import api
from autotune.cli import main
from autotune.errors import UsageError
from autotune.load import ClosedLoop
from autotune.objective import Objective
from autotune.search import TRIAL_COLUMNS
from autotune.space import Candidate
from autotune.store import Store, database_url


@pytest.fixture
def results(tmp_path: Path) -> Path:
    with closing(Store.open(database_url(tmp_path))) as store:
        tuned_study(store)
        infeasible_study(store)
    return tmp_path


def exported(results: Path, name: str, **options: str) -> str:
    content, path = api.export_study("s", format=name, results=results, **options)
    assert path is None
    return content.decode()


def test_the_frame_has_a_line_for_each_trial_and_the_documented_columns(results: Path) -> None:
    frame = api.find_study("s", results=results).to_frame()
    assert list(frame["trial"]) == list(range(10))
    documented = {name.strip() for names in TRIAL_COLUMNS for name in names.split(",")} - {"param_NAME"}
    assert documented | {"param_max_batch_size", "param_instance_count"} == set(frame.columns)
    delivered = frame.iloc[2]
    assert (delivered["value"], delivered["p99_s"], delivered["param_max_batch_size"]) == (1200.0, 0.0045, 8)
    assert frame["value"].isna().sum() == 2  # one violates the SLO, one failed to load
    parts = ["client_send_s", "network_s", "queue_s", "compute_infer_s", "client_receive_s"]
    assert delivered[parts].sum() == pytest.approx(0.0012, rel=0.01)  # they add up to the mean latency


def test_csv_json_and_parquet_hold_the_same(results: Path, tmp_path: Path) -> None:
    frame = api.find_study("s", results=results).to_frame()
    from_csv = pd.read_csv(io.StringIO(exported(results, "csv")))
    from_json = json.loads(exported(results, "json"))
    file = tmp_path / "data" / "s.parquet"
    assert api.export_study("s", format="parquet", output=file, results=results)[1] == file
    from_parquet = pd.read_parquet(file)
    for column in ("value", "p99_s", "param_max_batch_size", "mean_batch_size"):
        expected = frame[column].astype(float)
        for found in (from_csv[column], pd.DataFrame(from_json)[column], from_parquet[column]):
            pd.testing.assert_series_equal(found.astype(float), expected, check_names=False)
    assert MARKUP in from_csv["message"][4] == from_json[4]["message"] == from_parquet["message"][4]


def test_windows_are_exported_one_a_row(results: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(results, "csv", rows="windows"))))
    assert len(rows) == 9 * 3 + 7 * 3  # the trials that answered, the rounds and the certificate
    assert {row["role"] for row in rows} == {"trial", "final", "certificate"}


def test_values_of_several_types_become_texts(tmp_path: Path) -> None:
    with closing(Store.open(database_url(tmp_path))) as store:
        study, _ = begin(store, "s")
        for number, value in enumerate(("none", 4, None)):
            candidate = Candidate((("preferred_batch_size", value), ("dynamic_batching", True)))
            store.save_trial(study, number, "proposed", replace(outcome(500.0), candidate=candidate))
    file = tmp_path / "s.parquet"
    api.export_study("s", format="parquet", output=file, results=tmp_path)
    found = pd.read_parquet(file)
    assert found["param_preferred_batch_size"].fillna("").tolist() == ["none", "4", ""]
    assert found["param_dynamic_batching"].tolist() == [True, True, True]


def test_model_analyzers_csv_has_its_columns_and_a_row_for_each_window(results: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(results, "model-analyzer"))))
    assert len(rows) == 9 * 3
    assert rows[0] == {
        "Model": "mnist",
        "Batch": "1",
        "Request Rate": "250.0",
        "Model Config Path": "mnist_config_default",
        "Instance Group": "1:CPU",
        "Max Batch Size": "1",
        "Satisfies Constraints": "Yes",
        "Throughput (infer/sec)": "250.0",
        "p99 Latency (ms)": "2.25",
    }
    assert rows[2]["Satisfies Constraints"] == "No"
    assert (rows[6]["Model Config Path"], rows[6]["Instance Group"]) == ("mnist_config_2", "2:CPU")


def test_model_analyzers_csv_of_a_closed_loop_has_concurrencies(tmp_path: Path) -> None:
    """Model Analyzer 1.58 writes `Concurrency`, or `Request Rate` where it searches rates: never both."""
    windows = tuple(window(900.0, 0.004, schedule=ClosedLoop(size)) for size in (1, 8))
    measured = outcome(900.0).measurement
    assert measured is not None
    with closing(Store.open(database_url(tmp_path))) as store:
        closed = Objective("throughput", measured.ceilings, load="closed")
        study, _ = begin(store, "s", objective=closed)
        whole = replace(measured, probes=windows, decided_by=windows[1])
        store.save_trial(study, 0, "proposed", replace(outcome(900.0), measurement=whole))
    rows = list(csv.DictReader(io.StringIO(exported(tmp_path, "model-analyzer"))))
    assert [row["Concurrency"] for row in rows] == ["1", "8"]
    assert "Request Rate" not in rows[0]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"format": "xlsx"}, "--format: 'xlsx' is unknown; use csv, parquet, json, model-analyzer"),
        ({"rows": "probes"}, "--rows: 'probes' is unknown; use trials or windows"),
        ({"format": "parquet"}, "--output: Parquet is no text; name a file, such as --output study.parquet"),
    ],
)
def test_options_that_do_not_go_together_are_refused(results: Path, options: dict[str, str], line: str) -> None:
    with pytest.raises(UsageError) as refused:
        api.export_study("s", results=results, **options)
    assert str(refused.value) == line


def test_parquet_without_its_package_names_the_remedy(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'triton-autotune\[parquet\]'"):
        api.export_study("s", format="parquet", output=tmp_path / "s.parquet", results=results)
    assert not (tmp_path / "s.parquet").exists()


def test_the_command_prints_csv(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studies", "export", "none", "--results", str(results)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["outcome"] for row in rows] == ["infeasible", "failed to load"]
