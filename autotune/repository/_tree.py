"""A model repository as ``tree -a`` prints it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CACHES = {"__pycache__", ".git"}


def repository_tree(directory: Path, most: int = 60) -> list[str]:
    """The directory's entries as an indented tree, then how many there are; at most ``most`` entries are shown.

    Links are shown with their targets and not followed.

    Raises:
        OSError: A directory cannot be read.
    """
    lines, directories, files = ["."], 0, 0
    for line, is_directory in _branches(directory, ""):
        lines.append(line)
        directories += is_directory
        files += not is_directory
    shown = lines if len(lines) <= most + 1 else [*lines[: most + 1], f"... and {len(lines) - most - 1} more entries"]
    counts = (_count(directories, "directory", "directories"), _count(files, "file", "files"))
    return [*shown, ", ".join(counts)]


def _branches(directory: Path, indent: str) -> Iterator[tuple[str, bool]]:
    entries = sorted(entry for entry in directory.iterdir() if entry.name not in _CACHES)
    for entry in entries:
        is_last = entry is entries[-1]
        is_directory = entry.is_dir() and not entry.is_symlink()
        target = f" -> {entry.readlink()}" if entry.is_symlink() else ""
        yield f"{indent}{'└──' if is_last else '├──'} {entry.name}{target}", is_directory
        if is_directory:
            yield from _branches(entry, f"{indent}{'    ' if is_last else '│   '}")


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"
