"""The application: every command by name. A new command is a file here and an entry below."""

from __future__ import annotations

from typing import Annotated

import typer

from autotune.cli._group import Entry, Group


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"autotune {version('triton-autotune')}")
        raise typer.Exit


def _global_options(
    version: Annotated[
        bool, typer.Option("--version", metavar="", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None: ...


_COMMANDS: dict[str, Entry | Group] = {
    "run": Entry(
        "autotune.cli._run",
        """Find the config with the highest throughput under a latency SLO, and export it.

        Trial 0 is the baseline, the config in the repository. Exit code 0: a config meets the SLO; 3: none does.
        """,
    ),
    "measure": Entry(
        "autotune.cli._measure",
        """Measure one config: its sustainable rate under an SLO, or its latency under given loads.

        With ceilings alone, it finds the highest rate that meets them and certifies it. With --concurrency, --rate,
        --trace or --scenario, a table shows client latencies and the server's times, and with ceilings whether each
        load meets them. Exit code 3: the SLO is violated; 1: undecided, or no request was answered.
        """,
    ),
    "compare": Entry(
        "autotune.cli._compare",
        """Compare configs of a model, measured in turns on fresh servers: which is fastest, which tie.

        With ceilings alone, it compares the highest rates that meet them; with --concurrency, inferences/s at that
        load; with --rate, latencies at that rate. Exit code 0: configs were compared; 3: none meets the SLO; 1: none
        was measured.
        """,
    ),
    "check": Entry(
        "autotune.cli._check",
        """Check that the config in the repository is not slower than a recorded one.

        Both are measured again, in turns on fresh servers. Exit code 0: it passed; 4: it is significantly slower; 3: it
        violates the SLO; 2: the baseline is of another machine or model; 1: undecided, or the config was not served.
        """,
    ),
    "experiment": Entry(
        "autotune.cli._experiment",
        """Measure the variants of an experiment file under its loads, and say which wins where.

        Variants are measured in turns on fresh servers. Prints the file's tables; writes report.md, results.csv and
        plots to DIR/experiments/NAME. Exit code 1: nothing was measured.
        """,
    ),
    "export": Entry(
        "autotune.cli._export",
        """Write the config.pbtxt of a study's best trial, with a header that says how it was found.

        With --to, write a complete repository of every model that the study served, start it once, and print the
        docker run that serves it.
        """,
    ),
    "report": Entry(
        "autotune.cli._report",
        """Write the report of a study: one HTML file, Markdown with plots, or JSON.

        The HTML file opens without a network. Markdown puts its plots as PNG files into a directory beside it.
        """,
    ),
    "studies": Group(
        "studies",
        "List the studies of a database, show one, compare two, or export the data of one.",
        {
            "list": Entry("autotune.cli._list", "List every study with its objective, trials and best value."),
            "show": Entry("autotune.cli._show", "Show every trial of a study and its best config."),
            "diff": Entry(
                "autotune.cli._diff",
                """Show what differs between two studies: results, machine, versions, delivered configs.

                The studies may be of different machines or Triton versions. They were not measured in turns.
                """,
            ),
            "export": Entry(
                "autotune.cli._studies_export",
                """Write a study's trials or windows as CSV, Parquet or JSON.

                The format model-analyzer is a CSV with the columns of Model Analyzer's metrics-model-inference.csv.
                """,
            ),
        },
    ),
    "dashboard": Entry(
        "autotune.cli._dashboard",
        """Serve Optuna's dashboard of the database, with notes, configs, server logs and reports.

        It has no login, so it listens on loopback only, unless --host names another address.
        """,
    ),
    "serve": Entry(
        "autotune.cli._serve",
        """Serve tuning jobs over HTTP: a queue in the database, a page, Optuna's dashboard.

        Every request needs a token. Jobs that were running when the service stopped resume at its next start.
        """,
    ),
    "token": Entry("autotune.cli._token", "Make a token for 'autotune serve' and print its secret."),
    "watch": Entry(
        "autotune.cli._watch",
        """Watch a deployed server: does the delivered config still fit its traffic?

        Reads Triton's Prometheus metrics. Exit code 3: in most intervals the traffic exceeds what the config sustains,
        or requests take longer than predicted.
        """,
    ),
    "clean": Entry(
        "autotune.cli._clean",
        """Remove what killed runs left: processes, containers, shared memory, temporary directories.

        What belongs to a running command or to another user is not touched.
        """,
    ),
    "doctor": Entry(
        "autotune.cli._doctor",
        "Show the machine, the model repository's files, and what each launch mode has and lacks.",
    ),
}

app = Group(
    "autotune",
    "Finds the best Triton Inference Server configuration for a model under a latency SLO.",
    _COMMANDS,
    options=_global_options,
)
