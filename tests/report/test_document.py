"""The report of a study as a document: what stands in it, in each format."""

from __future__ import annotations

import itertools
import json
import math
import re
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from documented_studies import MARKUP, infeasible_study, outcome, refused_study, tuned_study
from stored_trials import HERE, begin

from autotune import api
from autotune.cli import main
from autotune.environment import Gpu
from autotune.errors import UsageError
from autotune.measurement import Disturbance, DisturbanceKind, Usage
from autotune.outcome import OutcomeKind
from autotune.report.document import build, read_source
from autotune.report.document._blocks import Code, Document, Facts, Paragraph, Table
from autotune.report.document._html import html_report
from autotune.report.document._markdown import markdown_report
from autotune.report.document._png import png
from autotune.report.document.sections._loads import loads_of
from autotune.report.document.sections._tradeoff import Point, pareto_front
from autotune.store import Store, database_url


@pytest.fixture
def results(tmp_path: Path) -> Path:
    with closing(Store.open(database_url(tmp_path))) as store:
        tuned_study(store)
        infeasible_study(store)
        refused_study(store)
    return tmp_path


def document(results: Path, study: str = "s") -> Document:
    with closing(api.open_store(results=results)) as store:
        return build(read_source(store, study, results))


class Page(HTMLParser):
    """The tags and the visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._within: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._within):
            self.text.append(data)


def test_a_report_holds_every_part(results: Path) -> None:
    found = document(results)
    assert [section.name for section in found.sections] == [
        "verdict",
        "finals",
        "tradeoff",
        "loads",
        "batches",
        "parameters",
        "prediction",
        "resources",
        "trials",
        "failures",
        "machine",
        "repository",
        "measuring",
    ]
    assert {figure.name for figure in found.figures} >= {
        "finals",
        "throughput-latency",
        "percentiles",
        "breakdown-delivered",
        "breakdown-baseline",
        "batches-1",
        "importance",
        "prediction",
        "server-memory",
        "server-cpu",
    }
    slices = {figure.title for figure in found.figures if figure.name.startswith("slice-")}
    assert slices == {"max_batch_size", "instance_count"}
    assert all(figure.caption.endswith(".") and any(each.x for each in figure.series) for figure in found.figures)


def test_captions_are_computed_from_the_data(results: Path) -> None:
    captions = {figure.name: figure.caption for figure in document(results).figures}
    assert "Trial 2 reaches 2.40 times the baseline's value" in captions["finals"]
    assert "Delivered: trial 2. The search measured 1,200 inferences/s at p99 4.5ms" in captions["throughput-latency"]
    assert "10% below the ceiling of 5ms" in captions["throughput-latency"]
    assert "Trial 0 (baseline) meets p99 <= 5ms in single windows of up to 508 inferences/s" in captions["percentiles"]
    assert "its largest part is network (37%). The model is not the largest cost" in captions["breakdown-delivered"]
    assert "Trial 0 (baseline) does not batch" in captions["batches-1"]
    assert "Median error 7% over 2 trials" in captions["prediction"]


def test_the_html_report_is_one_file_without_a_reference_to_another(results: Path) -> None:
    text, path = api.report("s", results=results)
    assert path == results / "s" / "report.html"
    assert path.read_text() == text
    assert path.stat().st_size < 6e6
    page = Page(text)
    for tag, attributes in page.tags:
        assert not {"src", "srcset", "action"} & attributes.keys(), tag
        assert (attributes.get("href") or "#").startswith(("#", "data:,")), attributes
    assert not re.search(r"@import|url\(", text[: text.index("</style>")])


def test_names_with_markup_stay_text_in_every_format(tmp_path: Path) -> None:
    with closing(Store.open(database_url(tmp_path))) as store:
        tuned_study(store, name=MARKUP, model=MARKUP)
        found = build(read_source(store, None, tmp_path))
    text = html_report(found)
    page = Page(text)
    assert MARKUP in "".join(page.text)
    assert {"b", "script"} & {tag for tag, _ in page.tags} == {"script"}
    assert sum(tag == "script" for tag, _ in page.tags) == 3  # data, Plotly, ours
    named = next(figure for figure in found.figures if MARKUP in figure.title)
    assert png(named).startswith(b"\x89PNG")  # no name is read as a formula
    markdown = markdown_report(found)
    assert "<script>" not in re.sub(r"\\<|```.*?```", "", markdown, flags=re.DOTALL)
    row = next(line for line in markdown.splitlines() if "failed to load" in line)
    header = next(line for line in markdown.splitlines() if line.startswith("| trial |"))
    assert len(re.findall(r"(?<!\\)\|", row)) == header.count("|")  # a name adds no cell


def test_markdown_links_a_png_for_every_plot(results: Path, tmp_path: Path) -> None:
    target = tmp_path / "with blank" / "report.md"
    text, path = api.report("s", output=target, results=results)
    assert path == target
    links = re.findall(r"!\[[^]]*\]\(([^)]*)\)", text)
    assert len(links) == len(document(results).figures)
    for link in links:
        assert (target.parent / link).read_bytes().startswith(b"\x89PNG")


def test_json_says_of_each_block_what_it_is(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "s", "--format", "json", "--output", "-", "--results", str(results)]) == 0
    found = json.loads(capsys.readouterr().out)
    table = next(
        block
        for section in found["sections"]
        if section["name"] == "trials"
        for block in section["blocks"]
        if block["type"] == "table"
    )
    assert len(table["rows"]) == 10


def test_a_study_without_a_feasible_trial_shows_the_nearest_and_the_failures(results: Path) -> None:
    found = document(results, "none")
    text = json.dumps(api.report("none", format="json", output="-", results=results))
    assert "No config that was measured meets the SLO (highest throughput with p99 <= 5ms); 1 failed." in text
    assert "p99 <= 5ms missed by 80%" in text
    assert {"verdict", "tradeoff", "loads", "trials", "failures"} <= {section.name for section in found.sections}


def test_a_study_that_triton_refused_shows_its_words(results: Path) -> None:
    found = document(results, "refused")
    (failures,) = (section for section in found.sections if section.name == "failures")
    (table,) = (block for block in failures.blocks if isinstance(block, Table))
    assert MARKUP in table.rows[0][2].text
    assert api.report("refused", results=results)[1] is not None


def test_the_machine_with_its_gpu_and_image_and_the_files_are_shown(tmp_path: Path) -> None:
    gpu = Gpu("NVIDIA H200", "570.1", 143_771)
    launch = {"mode": "docker", "triton": "2.61.0", "image": "tritonserver:25.09", "image id": "sha256:abc"}
    files = "net/config.pbtxt  64 B\nnet/1/model.onnx  1.2 MB\nnet/1/weights/a.bin  2.0 GB\nnet/labels.txt  10 B\n"
    with closing(Store.open(database_url(tmp_path))) as store:
        study, _ = begin(store, "s", environment=replace(HERE, gpus=(gpu,), launch=launch), files=files)
        measured = outcome(500.0)
        assert measured.measurement is not None
        decided = measured.measurement.decided_by
        assert decided is not None
        usage = Usage(0.2, server_cpu_s=1.0, memory_bytes=10**9, gpu_memory_bytes=4 * 10**9)
        used = replace(decided, usage=usage)
        measurement = replace(measured.measurement, probes=(used,), decided_by=used)
        store.save_trial(study, 0, "baseline", replace(measured, measurement=measurement))
    found = document(tmp_path)
    (facts,) = (
        block
        for section in found.sections
        for block in section.blocks
        if isinstance(block, Facts) and section.name == "machine"
    )
    shown = dict(facts.rows)
    assert shown["GPU"] == "NVIDIA H200 (143771 MiB, driver 570.1)"
    assert (shown["Image"], shown["Image ID"], shown["Triton"]) == ("tritonserver:25.09", "sha256:abc", "2.61.0")
    (tree,) = (
        block
        for section in found.sections
        for block in section.blocks
        if isinstance(block, Code) and section.name == "repository"
    )
    assert tree.text.splitlines() == [
        "net/",
        "    config.pbtxt  (64 B)",
        "    1/",
        "        model.onnx  (1.2 MB)",
        "        weights/",
        "            a.bin  (2.0 GB)",
        "    labels.txt  (10 B)",
    ]
    captions = {figure.name: figure.caption for figure in found.figures}
    assert captions["server-gpu-memory"].startswith("Trial 0 (baseline, delivered) takes 3,815 MiB")


def test_disturbed_windows_are_counted_over_all_of_them(tmp_path: Path) -> None:
    whole = outcome(500.0)
    assert whole.measurement is not None
    busy = Disturbance(DisturbanceKind.OTHER_PROCESSES, 0.4, 0.1, cores=2)
    first, *others = whole.measurement.probes
    measurement = replace(whole.measurement, probes=(replace(first, invalid=(busy,)), *others), decided_by=others[0])
    with closing(Store.open(database_url(tmp_path))) as store:
        study, _ = begin(store, "s")
        store.save_trial(study, 0, "baseline", replace(whole, measurement=measurement))
    (verdict,) = (section for section in document(tmp_path).sections if section.name == "verdict")
    sentences = [block.text for block in verdict.blocks if isinstance(block, Paragraph)]
    assert any("1 of 3 windows disturbed" in sentence for sentence in sentences)


def test_a_study_whose_requests_all_failed_has_no_empty_plot(tmp_path: Path) -> None:
    lost = dict.fromkeys(("p50", "p90", "p95", "p99", "avg"), math.inf)
    whole = outcome(500.0, kind=OutcomeKind.INFEASIBLE)
    assert whole.measurement is not None
    probes = tuple(replace(each, latency_s=lost, holds=False, kept_up=False) for each in whole.measurement.probes)
    measurement = replace(whole.measurement, probes=probes, decided_by=probes[1], latency_s=lost)
    with closing(Store.open(database_url(tmp_path))) as store:
        study, _ = begin(store, "s")
        store.save_trial(study, 0, "baseline", replace(whole, measurement=measurement))
    found = document(tmp_path)
    assert "percentiles" not in {figure.name for figure in found.figures}
    assert all(any(each.x for each in figure.series) for figure in found.figures)
    assert "data-v=Infinity>lost</td>" in html_report(found)


def test_an_unknown_study_is_refused_with_near_names(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "nonne", "--results", str(results)]) == 2
    assert re.fullmatch(r"autotune: STUDY: no study 'nonne' in .*; did you mean 'none'\?\n", capsys.readouterr().err)
    assert not list(results.glob("*/report*"))


def test_an_unknown_format_or_an_output_that_cannot_be_written_is_refused(results: Path) -> None:
    with pytest.raises(UsageError, match=r"^--format: 'pdf' is unknown; use html, markdown, json$"):
        api.report("s", format="pdf", results=results)
    (results / "file").write_text("")
    with pytest.raises(UsageError, match=r"^--output: cannot write .*; name another file$"):
        api.report("s", output=results / "file" / "report.html", results=results)


def test_the_pareto_front_has_no_point_that_another_one_beats() -> None:
    points = [Point(None, per_s, latency_s) for per_s, latency_s in ((1, 3), (2, 2), (3, 5), (4, 4), (4, 6))]
    assert [(each.per_s, each.latency_s) for each in pareto_front(points)] == [(2, 2), (4, 4)]


def test_loads_leave_out_disturbed_windows_and_take_close_rates_as_one(results: Path) -> None:
    with closing(api.open_store(results=results)) as store:
        source = read_source(store, "s", results)
    assert source.main is not None
    found = loads_of(source.main.windows, source.result.objective)
    values = [load.value for load in found]
    assert values == sorted(values)
    assert all(later > 1.01 * earlier for earlier, later in itertools.pairwise(values))
