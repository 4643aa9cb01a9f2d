"""How requests come in an open loop: drawn, or as they were recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.arrivals import Arrivals, Recorded, parse_arrivals
from autotune.errors import UsageError
from autotune.request._option import Panel, Request, option

if TYPE_CHECKING:
    from autotune.load import Trace


@dataclass(frozen=True, kw_only=True)
class ArrivalsRequest(Request):
    """Gaps between the requests of an open loop."""

    arrivals: str = option(
        "poisson",
        "poisson|constant|gamma:CV",
        "Gaps between requests; gamma with CV above 1 makes bursts.",
        panel=Panel.LOAD,
    )
    trace: str | Path | None = option(
        None, "FILE", "Recorded arrivals, one number a line; a search scales their rate.", panel=Panel.LOAD
    )
    trace_format: str = option("timestamps", "timestamps|gaps", "Meaning of the numbers of --trace.", panel=Panel.LOAD)
    trace_unit: str = option(
        "s", "s|ms|us|ns", "Unit of the numbers of --trace; perf_analyzer's intervals are us.", panel=Panel.LOAD
    )

    def recording(self) -> Trace | None:
        """The recorded arrivals; None without ``--trace``.

        Raises:
            UsageError: The file, its format or its unit is at fault.
        """
        from autotune.load import check_trace_words, read_trace

        check_trace_words(self.trace_format, self.trace_unit)
        if self.trace is None:
            for name in ("trace_format", "trace_unit"):
                if getattr(self, name) != type(self).__dataclass_fields__[name].default:
                    raise UsageError(f"--{name.replace('_', '-')}: says how --trace is read; add --trace FILE")
            return None
        if "arrivals" in self.given:
            raise UsageError("--trace: give either --arrivals or --trace, not both")
        return read_trace(Path(self.trace), self.trace_format, unit=self.trace_unit)

    def spacing(self) -> Arrivals:
        """The gaps that are stretched to a rate.

        Raises:
            UsageError: ``--arrivals`` or ``--trace`` is at fault.
        """
        recording = self.recording()
        return self._recorded(recording) if recording is not None else parse_arrivals(self.arrivals)

    def _recorded(self, recording: Trace) -> Recorded:
        try:
            return Recorded.of(Path(recording.name).name, recording.times_s)
        except ValueError as error:
            raise UsageError(f"--trace: {recording.name} {error}") from None
