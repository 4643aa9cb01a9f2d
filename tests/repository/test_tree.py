"""The tree of a model repository, as in the reports that people write by hand."""

from pathlib import Path

from autotune.repository import repository_tree


def test_it_reads_like_tree_dash_a(tmp_path: Path) -> None:
    version = tmp_path / "onnx-mnist" / "1"
    version.mkdir(parents=True)
    (version / ".gitkeep").touch()
    (version / "model.onnx").touch()
    (tmp_path / "onnx-mnist" / "config.pbtxt").touch()
    assert repository_tree(tmp_path) == [
        ".",
        "└── onnx-mnist",
        "    ├── 1",
        "    │   ├── .gitkeep",
        "    │   └── model.onnx",
        "    └── config.pbtxt",
        "2 directories, 3 files",
    ]


def test_links_are_not_followed_and_caches_left_out(tmp_path: Path) -> None:
    (tmp_path / "net" / "__pycache__").mkdir(parents=True)
    (tmp_path / "net" / "again").symlink_to("..")
    assert repository_tree(tmp_path) == [".", "└── net", "    └── again -> ..", "1 directory, 1 file"]


def test_a_large_one_is_cut_but_counted(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number:03}").touch()
    lines = repository_tree(tmp_path, most=10)
    assert len(lines) == 13
    assert lines[-2:] == ["... and 90 more entries", "0 directories, 100 files"]
