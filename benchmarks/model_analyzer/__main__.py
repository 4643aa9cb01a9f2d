"""autotune against Triton Model Analyzer 1.58, side by side.

Both search the same model, ensemble or BLS pair (`_subjects.py`) for the most inferences/s under a p99 ceiling, on the
same embedded Triton, with batches up to 64 and up to 4 instances. Then perf_analyzer judges what each exported: fresh
servers in turn, a sweep of concurrencies each, the best load with its p99 under the ceiling. Model Analyzer
(`--model-analyzer` or PATH) has an environment of its own; perf_analyzer is the one of --perf-analyzer,
AUTOTUNE_PERF_ANALYZER or PATH. Without them nothing is measured. What follows `--` goes to `autotune run`.

    python -m benchmarks.model_analyzer --model accelerator [--p99 20ms] [--modes quick,optuna] [--limit 25m]
        [--rounds 5] [--output FILE] [-- --trials 20]
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from autotune.errors import UsageError
from autotune.load import Traffic
from autotune.load.perf_analyzer import find_perf_analyzer
from autotune.measurement import Deployment
from autotune.objective import Ceiling, parse_duration
from autotune.repository import ConfigSet, ModelConfig
from autotune.server import LaunchOptions, choose_launcher
from autotune.space import SearchSpace
from benchmarks.model_analyzer import _ours, _peer
from benchmarks.model_analyzer._record import recorded_peers, write_record
from benchmarks.model_analyzer._referee import Sweep, judge
from benchmarks.model_analyzer._search import Search
from benchmarks.model_analyzer._subjects import CEILINGS, Subject, find_subject
from benchmarks.model_analyzer._table import searches_table, verdicts

MAX_BATCH_SIZE = 64
MAX_INSTANCES = 4
CONCURRENCIES = (1, 2, 4, 8, 12, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256)


def main() -> None:
    """Prints each search as it ends, each judgement, and a Markdown table."""
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    try:
        model_analyzer, version = _peer.find_model_analyzer(arguments.model_analyzer)
        perf_analyzer = find_perf_analyzer(Path(arguments.perf_analyzer) if arguments.perf_analyzer else None)
    except UsageError as error:
        print(f"Skipped, nothing to compare with: {error}")
        return
    try:
        ceiling_s = parse_duration(arguments.p99 or CEILINGS.get(arguments.model, ""), "--p99")
        limit_s = parse_duration(arguments.limit, "--limit")
    except UsageError as error:
        raise SystemExit(str(error)) from None
    ceiling_ms = round(ceiling_s * 1e3)
    if abs(ceiling_ms - ceiling_s * 1e3) > 1e-6 or not ceiling_ms:
        raise SystemExit("--p99: Model Analyzer takes whole milliseconds only")
    peer = _peer.Peer(
        binary=model_analyzer,
        perf_analyzer=perf_analyzer,
        protocol=arguments.protocol,
        max_batch_size=MAX_BATCH_SIZE,
        max_instances=MAX_INSTANCES,
        limit_s=limit_s,
        settings=arguments.set,
    )
    settings = {
        "model": arguments.model,
        "ceiling_ms": ceiling_ms,
        "model_analyzer": version,
        "protocol": arguments.protocol,
        "max_batch_size": MAX_BATCH_SIZE,
        "max_instances": MAX_INSTANCES,
        "model_analyzer_settings": peer.settings,
        "space": dict(SearchSpace.default().describe()),
        "autotune_options": arguments.autotune,
    }
    with working_directory(arguments.directory) as directory:
        try:
            subject = find_subject(arguments.model, directory / "models")
        except UsageError as error:
            raise SystemExit(str(error)) from None
        searches = search_all(arguments, peer, subject, ceiling_ms, directory)
        write_record(arguments.output, settings, searches, {})  # before the long judgement, in case that fails
        sweeps = judge_all(arguments, searches, subject, ceiling_ms, perf_analyzer, directory)
    write_record(arguments.output, settings, searches, sweeps)
    print(f"\n{arguments.model}, p99 at most {ceiling_ms} ms, {arguments.protocol}; inferences/s\n")
    print(searches_table(searches, sweeps))
    print("\n" + "\n".join(f"- {line}" for line in verdicts(arguments.model, searches, sweeps)))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="accelerator")
    parser.add_argument("--p99", help=f"the ceiling; {CEILINGS} unless given")
    parser.add_argument("--model-analyzer", type=Path, help="the model-analyzer program; the one on PATH otherwise")
    parser.add_argument("--perf-analyzer", type=Path, default=os.environ.get("AUTOTUNE_PERF_ANALYZER"))
    parser.add_argument("--modes", default=",".join(_peer.MODES), help="of Model Analyzer; empty for none")
    parser.add_argument("--limit", default="25m", help="time after which a search is ended")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=YAML", help="into Model Analyzer's config")
    parser.add_argument("--recorded", type=Path, help="take Model Analyzer's searches from this earlier --output")
    parser.add_argument("--protocol", choices=("http", "grpc"), default="http", help="for all clients")
    parser.add_argument("--rounds", type=int, default=5, help="fresh servers for each config; 0 judges nothing")
    parser.add_argument("--concurrency", default=",".join(map(str, CONCURRENCIES)), help="what the referee offers")
    parser.add_argument("--seconds", type=float, default=3.0, help="the referee's window")
    parser.add_argument("--output", type=Path, help="where a JSON record goes")
    parser.add_argument("--directory", type=Path, help="a new folder that keeps logs, checkpoints and results")
    parser.add_argument("--no-autotune", action="store_true", help="run Model Analyzer only")
    parser.add_argument("autotune", nargs="*", metavar="-- OPTION", help="further options of autotune run")
    arguments = parser.parse_args()
    arguments.modes = [mode for mode in arguments.modes.split(",") if mode]
    if unknown := [mode for mode in arguments.modes if mode not in _peer.MODES]:
        parser.error(f"--modes: {unknown[0]!r} is unknown; use {' or '.join(_peer.MODES)}")
    if invalid := [setting for setting in arguments.set if "=" not in setting]:
        parser.error(f"--set: {invalid[0]!r} is not KEY=YAML")
    arguments.set = {name: yaml.safe_load(value) for name, _, value in (each.partition("=") for each in arguments.set)}
    return arguments


@contextmanager
def working_directory(kept: Path | None) -> Iterator[Path]:
    """The folder that everything is written in: ``kept``, which must be new, or a temporary one."""
    if kept is not None:
        try:
            kept.mkdir(parents=True)
        except OSError as error:
            raise SystemExit(f"--directory: {kept}: {error.strerror}; name a new folder") from None
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="model-analyzer-") as name:
        yield Path(name)


def search_all(
    arguments: argparse.Namespace, peer: _peer.Peer, subject: Subject, ceiling_ms: int, directory: Path
) -> list[Search]:
    """Our search, then Model Analyzer's; what was recorded is not searched again."""
    searches = []
    called = ["--composing-models", ",".join(each.name for each in subject.composing)] if subject.called else []
    if not arguments.no_autotune:
        searches.append(
            _ours.search(
                subject.spec.path.parent,
                subject.spec.name,
                f"{ceiling_ms}ms",
                protocol=arguments.protocol,
                limit_s=peer.limit_s,
                directory=directory / "autotune",
                options=[*called, *arguments.autotune],
            )
        )
        tell(searches[-1])
    if arguments.recorded:
        searches += recorded_peers(arguments.recorded, arguments.model, ceiling_ms)
    for mode in arguments.modes if not arguments.recorded else ():
        searches.append(_peer.search(peer, mode, subject, ceiling_ms, directory / mode))
        tell(searches[-1])
    return searches


def tell(search: Search) -> None:
    """Prints what a search came to."""
    figure = f"{search.reported_per_s:,.0f} inferences/s" if search.reported_per_s else "nothing"
    print(
        f"{search.name}: {figure} in {search.seconds:.0f} s, {search.tried} configs, {search.points} points;"
        f" {'; '.join(words for words in (search.parameters, search.message) if words)}",
        flush=True,
    )


def exported_set(search: Search, subject: Subject) -> ConfigSet:
    """What a search exported, for the models under their own names; a model without a new config keeps its own."""
    return ConfigSet.of(
        *(
            ModelConfig.parse(search.configs[name], search.name).with_value("name", name)
            if name in search.configs
            else spec.config
            for name, spec in subject.models.items()
        )
    )


def judge_all(
    arguments: argparse.Namespace,
    searches: Sequence[Search],
    subject: Subject,
    ceiling_ms: int,
    perf_analyzer: Path,
    directory: Path,
) -> dict[str, list[Sweep]]:
    """The sweeps of every config that was exported."""
    configs = {search.name: exported_set(search, subject) for search in searches if search.configs}
    if not arguments.rounds or not configs:
        return {}
    launcher, _ = choose_launcher("embedded", LaunchOptions())
    traffic = Traffic(protocol=arguments.protocol, client="perf_analyzer", perf_analyzer=perf_analyzer)
    return judge(
        configs,
        Deployment(subject.spec, launcher, directory, traffic, composing=subject.composing),
        Ceiling("p99", ceiling_ms / 1e3),
        rounds=arguments.rounds,
        concurrencies=sorted(int(each) for each in arguments.concurrency.split(",")),
        window_s=arguments.seconds,
    )


if __name__ == "__main__":
    main()
