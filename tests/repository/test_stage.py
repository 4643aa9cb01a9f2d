import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from autotune.errors import UsageError
from autotune.repository import (
    ConfigSet,
    ModelConfig,
    ModelRepository,
    StagingArea,
    abandoned_areas,
    remove_abandoned,
    stage,
)


@pytest.fixture
def model(tmp_path):
    directory = tmp_path / "repository" / "m"
    (directory / "1" / "__pycache__").mkdir(parents=True)
    (directory / "1" / "__pycache__" / "model.cpython-311.pyc").write_text("cache")
    (directory / "1" / "model.py").write_text("code")
    (directory / "configs").mkdir()
    (directory / "configs" / "a.pbtxt").write_text("")
    (directory / "labels.txt").write_text("cat")
    (directory / "config.pbtxt").write_text('name: "m" backend: "python" max_batch_size: 4')
    (tmp_path / "weights.bin").write_bytes(b"w" * 1000)
    (directory / "1" / "weights.bin").symlink_to(tmp_path / "weights.bin")
    return ModelRepository(tmp_path / "repository").model("m")


def snapshot(directory):
    return {
        path.relative_to(directory): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in directory.rglob("*")
    }


def test_the_copy_has_the_changed_config_and_every_file(model, tmp_path):
    config = model.config.with_value("max_batch_size", 32)
    repository = stage((model,), ConfigSet.of(config), tmp_path / "staged")
    assert ModelRepository(repository).model("m").config == config
    files = {str(path.relative_to(repository)) for path in repository.rglob("*") if path.is_file()}
    assert files == {
        "m/config.pbtxt", "m/labels.txt", "m/configs/a.pbtxt", "m/1/model.py", "m/1/weights.bin",
    }  # fmt: skip


def test_files_are_shared_with_a_server_that_can_only_read_them(model, tmp_path):
    repository = stage((model,), ConfigSet.of(model.config), tmp_path / "staged", read_only=True)
    assert not any(path.is_symlink() for path in repository.rglob("*"))
    assert (repository / "m" / "1" / "weights.bin").samefile(tmp_path / "weights.bin")
    assert (repository / "m" / "1" / "model.py").samefile(model.path / "1" / "model.py")
    assert not (repository / "m" / "config.pbtxt").samefile(model.path / "config.pbtxt")


def test_what_is_beside_the_model_is_reached_as_in_the_repository(model, tmp_path):
    root = tmp_path / "repository"
    (root / "shared").mkdir()
    (root / "shared" / "vocabulary.txt").write_text("the a an")
    (root / "environment.tar.gz").write_bytes(b"packed")
    (root / "gone").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    repository = stage((model,), ConfigSet.of(model.config), root / "results" / "staged")
    assert (repository / "m" / ".." / "shared" / "vocabulary.txt").read_text() == "the a an"
    assert (repository / "m" / ".." / "environment.tar.gz").read_bytes() == b"packed"
    assert sorted(path.name for path in repository.iterdir()) == ["environment.tar.gz", "m", "shared"]


def test_what_a_model_writes_in_place_reaches_neither_the_repository_nor_the_next_trial(model, tmp_path):
    (tmp_path / "weights.bin").write_bytes(large := b"w" * (2 << 20))
    before = snapshot(tmp_path / "repository")
    with closing(StagingArea(tmp_path)) as area:
        for _ in range(3):
            with area.staged((model,), ConfigSet.of(model.config)) as repository:
                version = repository / "m" / "1"
                assert (version / "weights.bin").read_bytes() == large
                assert (version / "model.py").read_text() == "code"
                for path in (version / "weights.bin", version / "model.py"):
                    with path.open("r+b") as file:
                        file.write(b"changed")
                (version / "beside.txt").write_text("new")
    assert snapshot(tmp_path / "repository") == before
    assert (tmp_path / "weights.bin").read_bytes() == large


def test_a_large_file_is_copied_once_for_all_trials(model, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"w" * (2 << 20))
    with closing(StagingArea(tmp_path)) as area, area.staged((model,), ConfigSet.of(model.config)) as first:
        with area.staged((model,), ConfigSet.of(model.config)) as second:
            assert (first / "m/1/weights.bin").samefile(second / "m/1/weights.bin")
        assert not (first / "m/1/weights.bin").samefile(tmp_path / "weights.bin")


def test_an_area_is_abandoned_once_its_process_is_killed(tmp_path):
    script = (
        "import sys; from pathlib import Path; from autotune.repository import StagingArea\n"
        "area = StagingArea(Path(sys.argv[1])); print('ready', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        run.stdout.readline()
        (area,) = tmp_path.glob(".staged-*")
        assert abandoned_areas(tmp_path) == []
        remove_abandoned(area)
        assert area.exists()
        run.kill()
    assert abandoned_areas(tmp_path) == [area]
    remove_abandoned(area)
    assert not area.exists()


def test_the_repository_is_not_changed(model, tmp_path):
    before = snapshot(tmp_path / "repository")
    repository = stage((model,), ConfigSet.of(model.config.with_value("max_batch_size", 1)), tmp_path / "staged")
    (repository / "m" / "1" / "__pycache__").mkdir()
    (repository / "m" / "1" / "__pycache__" / "model.cpython-311.pyc").write_text("new")
    assert snapshot(tmp_path / "repository") == before


def test_files_are_copied_if_they_cannot_be_linked(model, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(18, "Invalid cross-device link")

    (model.path / "1" / "model.py").chmod(0o750)
    monkeypatch.setattr(os, "link", refuse)
    repository = stage((model,), ConfigSet.of(model.config), tmp_path / "staged", read_only=True)
    copy = repository / "m" / "1" / "model.py"
    assert copy.read_text() == "code"
    assert copy.stat().st_mode & 0o777 == 0o750
    assert not copy.samefile(model.path / "1" / "model.py")
    assert not any(path.is_symlink() for path in repository.rglob("*"))


def test_files_are_copied_across_filesystems(model):
    shm = Path("/dev/shm")  # noqa: S108
    if not os.access(shm, os.W_OK) or shm.stat().st_dev == model.path.stat().st_dev:
        pytest.skip("no second filesystem to copy to")
    import tempfile

    with tempfile.TemporaryDirectory(dir=shm) as directory:
        repository = stage((model,), ConfigSet.of(model.config), Path(directory))
        assert (repository / "m" / "1" / "weights.bin").read_bytes() == b"w" * 1000


def test_a_model_without_config_is_staged_with_one(tmp_path):
    (tmp_path / "repository" / "m" / "1").mkdir(parents=True)
    spec = ModelRepository(tmp_path / "repository").only_model()
    repository = stage((spec,), ConfigSet.of(spec.config.with_value("max_batch_size", 8)), tmp_path / "staged")
    assert (repository / "m" / "config.pbtxt").read_text() == 'name: "m"\nmax_batch_size: 8\n'


def test_an_ensemble_is_staged_with_a_version_and_the_models_it_needs(model, tmp_path):
    ensemble = tmp_path / "repository" / "all"
    ensemble.mkdir()
    (ensemble / "config.pbtxt").write_text('platform: "ensemble" ensemble_scheduling { step { model_name: "m" } }')
    source = ModelRepository(tmp_path / "repository")
    spec = source.model("all")
    repository = stage((spec, *source.composing_models(spec)), ConfigSet.of(spec.config), tmp_path / "staged")
    assert (repository / "all" / "1").is_dir()
    assert ModelConfig.parse((repository / "m" / "config.pbtxt").read_text(), "m") == model.config


def test_a_broken_link_is_named(model, tmp_path):
    (model.path / "1" / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"--model-repository: .*gone links to .*nowhere, which does not exist"):
        stage((model,), ConfigSet.of(model.config), tmp_path / "staged")


def test_a_link_in_a_circle_is_named(model, tmp_path):
    (model.path / "1" / "up").symlink_to(model.path)
    with pytest.raises(UsageError, match="links to a directory above it"):
        stage((model,), ConfigSet.of(model.config), tmp_path / "staged")


def test_staging_into_the_model_itself_is_refused(model):
    with pytest.raises(UsageError, match="--results"):
        stage((model,), ConfigSet.of(model.config), model.path / "1" / "staged")
    assert not (model.path / "1" / "staged").exists()
