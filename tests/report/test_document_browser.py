"""The HTML report in a real Chromium: no error, no request, plots drawn, the table sorts and filters."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from documented_studies import MARKUP, infeasible_study, tuned_study

from autotune import api
from autotune.store import Store, database_url

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
DRAWN = "document.querySelectorAll('.plot').length === document.querySelectorAll('.plot > .plot-container').length"
# Of each plot: what is drawn of its data, as SVG elements.
MARKS = """[...document.querySelectorAll('.plot')].map(plot => [plot.dataset.figure,
    plot.querySelectorAll('.point, .js-line').length])"""
COLUMN = (
    "[...document.querySelectorAll('#table-trials tbody tr')].filter(r => !r.hidden).map(r => r.cells[%d].innerText)"
)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    results = tmp_path / ("results_without_a_place_to_break_a_line_" * 3)
    with closing(Store.open(database_url(results))) as store:
        tuned_study(store, name=MARKUP, trials=30)
        infeasible_study(store)
    return results


def opened(browser: Browser, path: Path, **context: object) -> tuple[Page, list[str]]:
    """The page, drawn, and what went wrong: console messages, exceptions, requests for anything but the file."""
    page = browser.new_context(**context).new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: request.url == path.as_uri() or wrong.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_function(DRAWN)
    return page, wrong


@pytest.mark.parametrize(("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_every_plot_is_drawn_and_nothing_goes_wrong(
    browser: Browser,
    report: Path,
    viewport: dict[str, int],
    scheme: str,
) -> None:
    _, path = api.report(MARKUP, output=report / "report.html", results=report)
    page, wrong = opened(browser, path, viewport=viewport, color_scheme=scheme)
    assert wrong == []
    marks = page.evaluate(MARKS)
    assert len(marks) > 8
    assert [name for name, count in marks if not count] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]  # nothing sticks out
    assert page.inner_text("h1").endswith(MARKUP)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = page.evaluate("getComputedStyle(document.querySelector('.plot .xtick text')).fill")
    light = [sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(", "))) > 384 for colour in (ground, ink)]
    assert light == ([True, False] if scheme == "light" else [False, True])
    page.context.close()


def test_the_table_sorts_and_filters(browser: Browser, report: Path) -> None:
    _, path = api.report(MARKUP, output=report / "report.html", results=report)
    page, wrong = opened(browser, path, viewport=DESKTOP)
    names = page.evaluate("[...document.querySelectorAll('#table-trials th')].map(h => h.innerText.trim())")
    column = names.index("inferences/s")
    page.click(f"#table-trials th:nth-child({column + 1}) button")
    rates = [text.replace(",", "") for text in page.evaluate(COLUMN % column)]
    values = [float(each) for each in rates if each != "-"]
    assert values == sorted(values, reverse=True)
    assert len(values) == 29
    assert rates[-1] == "-"  # the trial that failed has no rate: last, whichever way it is sorted
    page.click(f"#table-trials th:nth-child({column + 1}) button")
    rates = [text.replace(",", "") for text in page.evaluate(COLUMN % column)]
    assert [float(each) for each in rates[:-1]] == sorted(values)
    assert rates[-1] == "-"
    page.fill("input[type=search]", "failed LOAD")
    assert page.evaluate(COLUMN % 0) == ["4"]
    assert page.inner_text("output") == "1 of 30 rows"
    assert wrong == []
    page.context.close()


def test_a_study_without_a_feasible_trial_opens_too(browser: Browser, report: Path) -> None:
    _, path = api.report("none", output=report / "none.html", results=report)
    page, wrong = opened(browser, path, viewport=DESKTOP)
    assert wrong == []
    assert "No config that was measured meets the SLO" in page.inner_text("#verdict")
    assert all(count for _, count in page.evaluate(MARKS))
    page.context.close()


def test_plots_fit_a_printed_page(browser: Browser, report: Path) -> None:
    _, path = api.report(MARKUP, output=report / "report.html", results=report)
    page, wrong = opened(browser, path, viewport=DESKTOP, color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    widths = page.evaluate("[...document.querySelectorAll('.plot .main-svg')].map(svg => svg.clientWidth)")
    assert max(widths) <= 680
    assert page.evaluate("[...document.querySelectorAll('details')].every(each => each.open)")
    assert wrong == []
    page.context.close()
