import math
from dataclasses import replace

import pytest

from autotune.errors import UsageError
from autotune.objective import (
    Ceiling,
    Objective,
    format_duration,
    format_size,
    parse_ceilings,
    parse_duration,
    parse_objective,
    parse_percent,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5ms", 0.005),
        ("2.5ms", 0.0025),
        ("800us", 0.0008),
        ("800µs", 0.0008),
        (".5s", 0.5),
        ("1.5S", 1.5),
        ("10m", 600),
        ("2h", 7200),
        (" 3 ms ", 0.003),
    ],
)
def test_reads_a_duration_with_its_unit(text: str, seconds: float) -> None:
    assert parse_duration(text, "--p99") == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5", "--p99: '5' has no unit; write 5ms"),
        ("-1ms", "--p99: '-1ms' is not above zero"),
        ("0ms", "not above zero"),
        ("5 minutes", "unknown unit 'minutes'"),
        ("fast", "is not a duration"),
        ("", "is not a duration"),
        ("1e3ms", "is not a duration"),
        ("nan ms", "is not a duration"),
    ],
)
def test_refuses_a_bad_duration_in_one_line_naming_the_flag(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_duration(text, "--p99")
    assert words in str(caught.value)
    assert str(caught.value).startswith("--p99: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.005, "5ms"), (0.0025, "2.5ms"), (0.0008, "800us"), (1.5, "1.5s"), (120.0, "120s"), (math.inf, "inf")],
)
def test_writes_a_duration_as_a_person_would(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_a_ceiling_knows_its_quantile() -> None:
    assert Ceiling("p99", 0.005).quantile == pytest.approx(0.99)
    assert Ceiling("p99.9", 0.005).quantile == pytest.approx(0.999)
    assert math.isnan(Ceiling("avg", 0.005).quantile)


@pytest.mark.parametrize("statistic", ["p100", "p0", "mean", "99th", "pinf", "p-5", "first-response-avg", ""])
def test_refuses_a_statistic_that_is_no_percentile(statistic: str) -> None:
    with pytest.raises(UsageError, match="neither 'avg' nor a percentile"):
        Ceiling(statistic, 0.005)


def test_keeps_several_ceilings_and_leaves_absent_ones_out() -> None:
    assert parse_ceilings(p99="5ms", p90=None, avg="2ms") == (Ceiling("p99", 0.005), Ceiling("avg", 0.002))


def test_one_statistic_has_one_ceiling_by_whichever_option() -> None:
    both = {"first-response-p99": "50ms"}
    with pytest.raises(UsageError, match=r"first-response-p99 \(--ttfr-p99 and --ceiling\); give one"):
        parse_ceilings(["first-response-p99=40ms"], **both)


def test_ceilings_on_any_percentile_of_either_latency_the_strictest_first() -> None:
    texts = ["p50=2ms,first-response-p99=50ms", "p99.90=8ms", "first-response-p50=7ms"]
    assert parse_ceilings(texts, p99="5ms", avg="2ms") == (
        Ceiling("p99.9", 0.008),
        Ceiling("p99", 0.005),
        Ceiling("p50", 0.002),
        Ceiling("avg", 0.002),
        Ceiling("first-response-p99", 0.05),
        Ceiling("first-response-p50", 0.007),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("p100=8ms", "--ceiling: 'p100' is neither 'avg' nor a percentile above p0 and below p100"),
        ("p99.9=8", "--ceiling: '8' has no unit; write 8ms"),
        ("p99.9", "--ceiling: 'p99.9' is not understood; write STATISTIC=DURATION"),
        ("8ms", "--ceiling: '8ms' is not understood"),
        ("p50=2ms,", "--ceiling: '' is not understood"),
        ("p99=8ms", "--ceiling: two ceilings on p99 (--p99 and --ceiling); give one of them"),
        ("p50=2ms,p50.0=3ms", "--ceiling: two ceilings on p50 (--ceiling); give one of them"),
    ],
)
def test_refuses_a_bad_ceiling_in_one_line(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_ceilings([text], p99="5ms")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "size"), [("2g", 2 << 30), ("512M", 512 << 20), ("1.5GiB", 3 << 29), ("64 kb", 65536)]
)
def test_reads_a_size_with_its_unit(text: str, size: int) -> None:
    assert parse_size(text, "--max-memory") == size
    assert parse_size(format_size(size), "--max-memory") == size


@pytest.mark.parametrize("text", ["2", "0g", "-1g", "much", "", "2x"])
def test_refuses_a_bad_size_in_one_line(text: str) -> None:
    with pytest.raises(
        UsageError, match=r"^--max-memory: .* is not a size above zero and up to 1024t, with a unit; write 2g or 512m$"
    ):
        parse_size(text, "--max-memory")


def test_throughput_without_a_ceiling_is_refused() -> None:
    with pytest.raises(UsageError, match="needs a latency ceiling; add one, such as --p99 5ms"):
        parse_objective("throughput", ())


@pytest.mark.parametrize("goal", ["latency", "p95", "memory", "memory,p99"])
def test_the_lowest_value_without_a_rate_is_refused(goal: str) -> None:
    with pytest.raises(UsageError, match=f"^--min-throughput: --objective {goal} needs the load to sustain"):
        parse_objective(goal, ())


@pytest.mark.parametrize(
    ("goal", "goodput_s", "rate", "load", "words"),
    [
        ("goodput", None, 100, "open", "--goodput: --objective goodput counts answers within a limit"),
        ("goodput", 0.005, None, "open", "--rate: --objective goodput needs the load to offer"),
        ("goodput", 0.005, 100, "closed", "--load: --objective goodput offers the rate of --rate"),
        ("latency", 0.005, 100, "open", "--goodput: --objective latency does not count answers"),
    ],
)
def test_goodput_needs_a_limit_and_a_rate(
    goal: str, goodput_s: float | None, rate: float | None, load: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        parse_objective(goal, (), rate, load, goodput_s=goodput_s)


@pytest.mark.parametrize("text", ["5", "100%", "-1%", "much"])
def test_refuses_a_bad_percentage_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--within: .* is no percentage from 0% to below 100%; write 5%$"):
        parse_percent(text, "--within")


def test_throughput_with_a_rate_is_refused() -> None:
    with pytest.raises(
        UsageError, match="--min-throughput: --objective throughput searches the rate, so it takes none"
    ):
        parse_objective("throughput", (Ceiling("p99", 0.005),), 1000)


@pytest.mark.parametrize("rate", [0.0, -5.0, math.nan, math.inf])
def test_refuses_a_rate_that_cannot_be_offered(rate: float) -> None:
    with pytest.raises(UsageError, match="--min-throughput: "):
        parse_objective("latency", (), rate)


def test_unknown_objective_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="--objective: 'speed' is unknown; use throughput, latency, goodput, memory"):
        parse_objective("speed", ())


def test_unknown_load_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="--load: 'half' is unknown; use open or closed"):
        parse_objective("throughput", (Ceiling("p99", 0.005),), load="half")


def test_the_lowest_latency_in_a_closed_loop_is_refused() -> None:
    for goal in ("latency", "memory"):
        with pytest.raises(UsageError, match=f"--load: --objective {goal} offers the rate of --min-throughput"):
            parse_objective(goal, (), 500, "closed")


P99 = (Ceiling("p99", 0.02),)


def test_several_objectives_have_a_value_and_a_direction_each() -> None:
    """A rate that is searched is the goal, wherever it stands: it decides how a config is measured."""
    for text in ("throughput,p99,memory", "p99, throughput, memory"):
        found = parse_objective(text, P99, 500)
        assert [(each.name, each.maximise) for each in found.values] == [
            ("throughput", True),
            ("p99", False),
            ("memory", False),
        ]
    assert str(found) == ("highest throughput and lowest p99 at 500 inferences/s and lowest memory with p99 <= 20ms")
    assert str(parse_objective("throughput,avg", P99)) == (
        "highest throughput and lowest avg of one request at a time with p99 <= 20ms"
    )
    assert str(parse_objective("p95,memory", (), 500)) == "lowest p95 at 500 inferences/s and lowest memory"


@pytest.mark.parametrize(
    ("text", "rate", "words"),
    [
        ("throughput,throughput", None, "names throughput twice; name each value once"),
        ("latency,p99", 500, "names p99 twice"),
        ("throughput,goodput", None, "throughput searches the rate, goodput takes --rate; name one of them"),
        ("throughput,speed", None, "'speed' is unknown; use throughput, latency, goodput, memory"),
        ("throughput,", None, "'' is unknown"),
        ("throughput,memory", 500, "--min-throughput: --objective throughput,memory searches the rate"),
    ],
)
def test_objectives_that_contradict_each_other_are_refused(text: str, rate: float | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_objective(text, P99, rate)


def test_several_objectives_do_not_go_with_within() -> None:
    with pytest.raises(UsageError, match=r"^--within: --objective throughput,memory has several values"):
        replace(parse_objective("throughput,memory", P99), within=0.05)


def test_says_what_it_looks_for() -> None:
    assert str(Objective("throughput", (Ceiling("p99", 0.005),))) == "highest throughput with p99 <= 5ms"
    assert str(Objective("latency", (), 500)) == "lowest p99 at 500 inferences/s"
    assert (
        str(Objective("memory", (Ceiling("p99", 0.02),), 500)) == "lowest memory at 500 inferences/s with p99 <= 20ms"
    )
    closed = Objective("throughput", (Ceiling("p99", 0.005),), load="closed")
    assert str(closed) == "highest throughput in a closed loop with p99 <= 5ms"
