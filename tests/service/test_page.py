"""A person in a real browser submits a job, watches it and opens its report; a real Triton is tuned."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import browser  # noqa: F401
from served_jobs import REPOSITORY

from autotune.service import Scope, new_token

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def secret(tmp_path: Path) -> str:
    return new_token(tmp_path / "tokens.yaml", "alice", "search", frozenset({Scope.READ, Scope.SUBMIT}))


@pytest.fixture
def address(tmp_path: Path, secret: str) -> Iterator[str]:
    (tmp_path / "run.yaml").write_text("launch: embedded\nshare-machine: true\n")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "autotune", "serve", "--port", "0", "--results", str(tmp_path / "results")),
            *("--tokens", str(tmp_path / "tokens.yaml"), "--run-config", str(tmp_path / "run.yaml")),
            *("--repositories", f"models={REPOSITORY}"),
        ],
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("AUTOTUNE_")},
    )
    assert process.stderr is not None
    found = re.search(r"http://\S+", process.stderr.readline())
    assert found is not None
    yield found[0]
    process.send_signal(signal.SIGINT)
    assert process.wait(90) in (0, 130)


def test_job_is_submitted_watched_and_reported(browser: Browser, address: str, secret: str) -> None:  # noqa: F811
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(address)
    page.get_by_label("Token").fill(secret)
    page.get_by_role("button", name="Log in").click()
    page.locator("#model").select_option("iris")
    page.get_by_label("p99 ceiling").fill("50ms")
    page.get_by_label("More options").fill("trials: 2\nfinal-rounds: 0\nwindow: 500ms\ncheck-outputs: never")
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("study started").wait_for(timeout=60_000)
    row = page.locator("tr[data-job]")
    row.locator(".done, .failed, .infeasible").wait_for(timeout=300_000)
    assert row.locator(".done").count() == 1, row.inner_text()
    with page.context.expect_page() as opened:
        row.get_by_role("link", name="report").click()
    report = opened.value
    report.get_by_text("Final comparison").first.wait_for(timeout=60_000)
    config = page.request.get(f"{address}{row.get_by_role('link', name='config').get_attribute('href')}")
    assert 'name: "iris"' in config.text()
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Token").wait_for()
    assert problems == []


def test_wrong_job_is_explained_on_the_page(browser: Browser, address: str, secret: str) -> None:  # noqa: F811
    page = browser.new_page()
    page.goto(address)
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("This token is not valid.").wait_for()
    page.get_by_label("Token").fill(secret)
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("p99 ceiling").fill("fast")
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("alert").filter(has_text="p99").wait_for()
