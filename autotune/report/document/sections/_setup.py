"""Where and how it was measured, and of which files."""

from __future__ import annotations

from autotune.environment import Environment
from autotune.report._purposes import PURPOSES
from autotune.report.document._blocks import Block, Code, Facts, Paragraph, Section
from autotune.report.document._source import Source


def machine(source: Source) -> Section:
    """The machine and the software."""
    begun = source.record.environment
    blocks: list[Block] = [Facts(tuple((name, value) for name, value in environment_facts(begun) if value))]
    others = {trial.environment.digest for trial in (*source.result.trials, *source.runs)} - {begun.digest}
    if others:
        blocks.append(
            Paragraph(
                f"Some trials ran in another environment ({len(others)} other than this one, in which the study began):"
                " compare their values with care."
            )
        )
    return Section("machine", "Machine and environment", tuple(blocks))


def repository(source: Source) -> Section:
    """The model's files."""
    files = source.record.files
    blocks: tuple[Block, ...] = (
        (Code(file_tree(files), title="Files when the study began"),)
        if files
        else (Paragraph("The files were not listed: an earlier version of autotune began this study."),)
    )
    digest = source.record.environment.model_digest
    known = (Paragraph(f"SHA-256 of all files but config.pbtxt: {digest}"),) if digest else ()
    return Section("repository", "Model repository", (*blocks, *known))


def measuring(source: Source) -> Section:
    """How trials were measured: conditions, windows, requests."""
    record, counts = source.record, source.window_counts
    counted = [each for each in counts if each.purpose != "warm-up"]
    windows = sum(each.windows for each in counted)
    requests = sum(each.requests for each in counted)
    disturbed = sum(each.disturbed for each in counted)
    seconds = sum(each.seconds for each in counted)
    facts = [
        ("Objective", str(record.objective)),
        ("Conditions", record.conditions),
        ("Started", f"{record.created_at:%Y-%m-%d %H:%M} UTC"),
        ("Trials", f"{len(source.result.trials):,}, each on a fresh server"),
        ("Final comparison", _finals(source)),
        ("Windows", f"{windows:,}, {seconds:,.0f} s of load, {requests:,} requests"),
    ]
    if disturbed:
        share = f"{disturbed:,} of {windows:,} windows violated a ceiling while client or machine were disturbed"
        facts.append(("Disturbed", f"{share}; they do not count against a config"))
    facts += [
        (f"Windows: {PURPOSES.get(each.purpose, each.purpose)}", f"{each.windows:,} ({each.seconds:,.0f} s)")
        for each in counts
    ]
    blocks: list[Block] = [
        Paragraph(
            "Latencies are the client's, from the scheduled send to the last byte of the answer. Lost requests count as"
            " infinitely late."
        ),
        Facts(tuple((name, value) for name, value in facts if value)),
    ]
    if record.space_text:
        blocks.append(Code(record.space_text, title="Search space", folded=True))
    return Section("measuring", "How it was measured", tuple(blocks))


def _finals(source: Source) -> str:
    finals = source.result.finals
    if finals is None or not finals.rounds:
        return "none"
    configs = len(finals.finalists)
    return f"{configs} configs, {finals.rounds} round{'' if finals.rounds == 1 else 's'}, each on a fresh server"


def environment_facts(found: Environment) -> list[tuple[str, str]]:
    """The machine and the software, name and value."""
    gpus = ", ".join(str(gpu) for gpu in found.gpus) or "none"
    cores = f"{found.logical_cores} vCPU ({found.physical_cores or 'unknown'} physical cores),"
    facts = [
        ("Processor", found.cpu_model),
        ("vCPU", f"{cores} {found.available_cores:g} available to autotune"),
        ("Memory", f"{found.memory_bytes / 2**30:.1f} GiB"),
        ("GPU", gpus),
        ("System", found.system),
        ("Kernel", found.kernel),
        ("Python", found.python),
    ]
    facts += [(_LAUNCH.get(name, name), value) for name, value in found.launch.items()]
    packages = ", ".join(f"{name} {version}" for name, version in found.packages.items())
    return [*facts, ("Packages", packages)]


_LAUNCH = {
    "mode": "Launch mode",
    "triton": "Triton",
    "binary": "Binary",
    "arguments": "Triton's arguments",
    "image": "Image",
    "image id": "Image ID",
    "engine": "Docker engine",
    "network": "Network",
    "limits": "Limits",
    "url": "Server",
}
_MOST_FILES = 200  # that are listed


def file_tree(files: str) -> str:
    """The listing as a tree: each directory once, what is in it indented below."""
    lines: list[str] = []
    above: list[str] = []
    listed = files.splitlines()
    for line in listed[:_MOST_FILES]:
        path, _, size = line.rpartition("  ")
        *folders, name = path.split("/")
        common = next(
            (index for index, pair in enumerate(zip(above, folders, strict=False)) if pair[0] != pair[1]),
            min(len(above), len(folders)),
        )
        lines += [f"{'    ' * depth}{folders[depth]}/" for depth in range(common, len(folders))]
        lines.append(f"{'    ' * len(folders)}{name}  ({size})")
        above = folders
    if len(listed) > _MOST_FILES:
        lines.append(f"... and {len(listed) - _MOST_FILES:,} more files")
    return "\n".join(lines)
