"""The documentation builds without a warning and loads nothing from other hosts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.cli.options import options_text

ROOT = Path(__file__).parents[2]
_LOADED = re.compile(r"""(?:<(?:script|img|iframe|source)[^>]*\ssrc|<link[^>]*\shref)=["']?(https?:)?//[^"'\s>]+""")
_IN_STYLE = re.compile(r"""(?:@import|url\()\s*["']?(https?:)?//""")


def test_the_page_of_options_is_up_to_date() -> None:
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert page == options_text(), "run `python -m autotune.cli.options > docs/options.md`"


def test_the_page_of_options_has_every_command() -> None:
    text = options_text()
    for command in ("autotune run", "autotune studies export", "autotune doctor"):
        assert f"\n## {command}\n" in text
    assert "| `--p99` `DURATION` |  | Ceiling on p99 latency" in text


def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="mkdocs-material is not installed: pip install -e '.[docs]'")
    # Not with --quiet: MkDocs 1.6 does not count the warnings that it does not print, and passes.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 10
    loaded = [match[0] for page in pages for match in _LOADED.finditer(page.read_text(encoding="utf-8"))]
    loaded += [str(path) for path in tmp_path.rglob("*.css") if _IN_STYLE.search(path.read_text(encoding="utf-8"))]
    loaded += [str(path) for path in tmp_path.rglob("*.svg") if _IN_STYLE.search(path.read_text(encoding="utf-8"))]
    assert loaded == []
