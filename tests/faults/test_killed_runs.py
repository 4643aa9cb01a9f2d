"""A run that is killed leaves no process, and the next run or ``autotune clean`` removes the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from killed_runs import family, left_on_machine, staged, start, start_run, still_running, wait_until, write_sleeper

from autotune import api
from autotune.cli import main
from autotune.environment import machine_lock
from autotune.repository import abandoned_areas


def test_killed_run_leaves_only_what_the_next_one_removes(tmp_path: Path) -> None:
    write_sleeper(tmp_path / "models")
    results = tmp_path / "results"
    killed: list[int] = []
    for moment in (lambda: staged(results), lambda: any(results.glob("s/logs/*"))):
        run = start_run(tmp_path / "models", results)
        wait_until(moment)
        processes = family(run.pid)
        run.kill()
        run.communicate()
        assert still_running(processes) == []
        (left,) = staged(results)
        killed.append(run.pid)
    last = start_run(tmp_path / "models", results)
    wait_until(lambda: left_on_machine(last.pid))
    assert not left.exists()
    assert [path for pid in killed for path in left_on_machine(pid)] == []
    processes = family(last.pid)
    last.terminate()
    last.communicate()
    assert last.returncode == 130
    assert still_running(processes) == []
    assert staged(results) == []
    assert left_on_machine(last.pid) == []


def test_clean_removes_what_a_killed_run_staged_and_nothing_of_a_live_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sleeper(tmp_path / "models")
    flags = ("--concurrency", "1", "--duration", "60s")
    dead, live = (start("measure", tmp_path / "models", tmp_path / name, *flags) for name in ("dead", "live"))
    try:
        for name in ("dead", "live"):
            wait_until(lambda name=name: any((tmp_path / name / "measurements").glob("*.log")))
        dead.kill()
        dead.communicate()
        (left,), (kept,) = staged(tmp_path / "dead"), staged(tmp_path / "live")
        # a server that was being forked when the run was killed holds the lock until its exec closes it
        wait_until(lambda: abandoned_areas(tmp_path / "dead" / "measurements"))
        assert main(["clean", "--results", str(tmp_path / "dead"), "--dry-run"]) == 0
        assert f"found staged models {left}" in capsys.readouterr().out
        assert left.exists()
        assert main(["clean", "--results", str(tmp_path / "dead")]) == 0
        assert f"removed staged models {left}" in capsys.readouterr().out
        assert not left.exists()
        assert str(kept) not in [each.name for each in api.clean(results=tmp_path / "live")]
        assert kept.exists()
        assert live.poll() is None
    finally:
        live.kill()
        live.communicate()


def test_second_run_on_a_machine_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sleeper(tmp_path / "models")
    where = ("--model-repository", str(tmp_path / "models"), "--launch", "embedded", "--results", str(tmp_path / "r"))
    load = ("--concurrency", "1", "--duration", "200ms")
    with machine_lock("autotune run --study first"):
        assert main(["measure", *where, *load]) == 2
        assert (
            capsys.readouterr()
            .err.splitlines()[-1]
            .startswith("autotune: --share-machine: `autotune run --study first` (")
        )
        assert not (tmp_path / "r").exists()
        assert main(["measure", *where, *load, "--share-machine"]) == 0
