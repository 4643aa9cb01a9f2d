"""What a comparison asks for: its load in words, its configs and their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotune.request import CheckRequest, CompareRequest

CONFIG = 'name: "net"\nbackend: "python"\nmax_batch_size: {}\n'


@pytest.fixture
def repositories(tmp_path: Path) -> Path:
    for name, batch in (("old", 4), ("new", 8)):
        (tmp_path / name / "net" / "1").mkdir(parents=True)
        (tmp_path / name / "net" / "1" / "model.py").write_text("")
        (tmp_path / name / "net" / "config.pbtxt").write_text(CONFIG.format(batch))
    return tmp_path


def _batches(request: CompareRequest) -> dict[str, int]:
    return {each.name: each.configs.asked.max_batch_size for each in request.contenders()}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (CompareRequest(concurrency=8), "concurrency 8"),
        (CompareRequest(rate=500), "rate 500/s"),
        (CompareRequest(p99="5ms"), "the highest rate that meets the SLO"),
        (CompareRequest(p99="5ms", load="closed"), "the highest concurrency that meets the SLO"),
    ],
)
def test_the_load_in_words(request_: CompareRequest, words: str) -> None:
    assert request_.load_words() == words


def test_a_single_file_is_compared_with_the_repositorys_config(repositories: Path) -> None:
    (repositories / "a.pbtxt").write_text("max_batch_size: 2\n")
    request = CompareRequest(model_repository=repositories / "old", configs=[str(repositories / "a.pbtxt")])
    assert _batches(request) == {"repository": 4, "a.pbtxt": 2}
    assert [each.configs.asked.name for each in request.contenders()] == ["net", "net"]


def test_repositories_and_model_directories_bring_their_own_files(repositories: Path) -> None:
    given = [str(repositories / "old"), str(repositories / "new" / "net")]
    request = CompareRequest(model_repository="nowhere", configs=given)
    assert _batches(request) == {"old": 4, "net": 8}
    assert [each.spec.path.parent.name for each in request.contenders()] == ["old", "new"]


def test_files_of_the_same_name_are_named_by_their_paths(repositories: Path) -> None:
    given = [str(repositories / name / "net" / "config.pbtxt") for name in ("old", "new")]
    assert _batches(CompareRequest(model_repository=repositories / "old", configs=given)) == dict(
        zip(given, (4, 8), strict=True)
    )


@pytest.mark.parametrize(("text", "fraction"), [("5%", 0.05), ("0%", 0.0), (" 2.5 % ", 0.025)])
def test_a_percentage_is_a_fraction(text: str, fraction: float) -> None:
    assert CheckRequest(fail_if_slower=text).allowed() == pytest.approx(fraction)
