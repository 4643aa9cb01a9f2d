"""Makes the pictures of the tutorial: the terminal as SVG, the report as PNG.

Runs the tutorial's command in a pseudo-terminal, then opens the study's report in the distribution's Chromium. Needs
`pip install -e '.[dev]'` and `chromium`, and some minutes for the run. Further arguments go to `autotune run`.

    python docs/pictures/make.py [--recorded FILE --results DIR] [-- --share-machine]

`--recorded` takes what an earlier run wrote to its terminal, `--results` where it left its results.
"""

from __future__ import annotations

import argparse
import fcntl
import io
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COLUMNS = 100
COMMAND = ("run", "--model", "accelerator", "--p99", "20ms")
SHOWN_TRIALS = 6  # the live view is shown once so many trials are done
REPORT_SIZE = {"width": 1100, "height": 900}
_CONTROL = re.compile(r"\x1b\[(?P<count>\d*)(?P<what>[A-Za-ln-z])|\x1b\[\?\d+[hl]|\r|\n")
_FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # would be loaded from another host


def main() -> None:
    """Writes the pictures beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--recorded", type=Path)
    parser.add_argument("--results", type=Path)
    parser.add_argument("more", nargs="*", help="further arguments of `autotune run`, after --")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = arguments.results or Path(folder)
        command = (*COMMAND, *arguments.more)
        text = arguments.recorded.read_bytes().decode() if arguments.recorded else recorded(command, results)
        live, end = screens(text)
        shown = " ".join(("autotune", *COMMAND))
        write_svg(HERE / "live.svg", live, shown)
        write_svg(HERE / "result.svg", end, shown)
        report = Path(folder) / "report.html"
        subprocess.run(autotune("report", "--results", str(results), "--output", str(report)), check=True)
        photograph(report)


def autotune(*arguments: str) -> list[str]:
    """The command line of this checkout."""
    return [sys.executable, "-m", "autotune", *arguments]


def recorded(command: tuple[str, ...], results: Path) -> str:
    """All that the command wrote to a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    whole = autotune(*command, "--results", str(results))
    process = subprocess.Popen(whole, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=ROOT)
    os.close(theirs)
    written = bytearray()
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux: nobody holds the other end any more
            break
        written += part
    if process.wait() != 0:
        raise SystemExit(written.decode())
    return written.decode()


def screens(written: str) -> tuple[list[str], list[str]]:
    """What stood on the terminal while the live view was drawn, and the result that was printed after it."""
    rows, live, position = [""], list[str](), 0
    for control in _CONTROL.finditer(written):
        rows[-1] += written[position : control.start()]
        position = control.end()
        if control[0] == "\n":
            rows.append("")
        elif control["what"] == "A":
            del rows[len(rows) - int(control["count"] or 1) :]
        elif control["what"] == "K":
            if len(rows) > len(live) and f" {SHOWN_TRIALS} of " in "\n".join(rows[-6:]) and "history" in rows[-1]:
                live = list(rows)
            rows[-1] = ""
    rows[-1] += written[position:]
    table = next(number for number, row in enumerate(rows) if "accelerator-p99" in row and "throughput" in row)
    return live, rows[table:]


def write_svg(path: Path, rows: list[str], title: str) -> None:
    """A picture of a terminal that shows these rows."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for row in rows:
        console.print(Text.from_ansi(row, no_wrap=False), soft_wrap=False, highlight=False)
    path.write_text(_FONT_FACES.sub("", console.export_svg(title=title)), encoding="utf-8")


def photograph(report: Path) -> None:
    """Pictures of the report's beginning, and of its plot of throughput against p99."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=REPORT_SIZE)
        page.goto(report.as_uri())
        page.wait_for_selector(".plot > .plot-container")
        page.wait_for_timeout(1000)  # plots are drawn one after the other
        page.screenshot(path=HERE / "report.png")
        page.locator("figure:has([data-figure=throughput-latency])").screenshot(path=HERE / "plot.png")
        browser.close()


if __name__ == "__main__":
    main()
