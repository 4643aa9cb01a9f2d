"""The search's own numbers, each with its unit and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from autotune.objective import Objective


@dataclass(frozen=True)
class SearchOptions:
    """How a study compares and when it stops.

    Attributes:
        contenders: Configs that the final comparison holds against the baseline, at most. Guess: more cost restarts.
        front: The same of several objectives: members of the Pareto front. Guess: ends and middle of two values.
        close: Fraction of the incumbent's value that a contender must come to. Guess: three times what a trial's
            estimate deviates by (`benchmarks.replay repeat`).
        least_rounds: Rounds before anything is decided: one shows no deviation.
        extra_rounds: Rounds of the final comparison, as a multiple of those asked for, while the gain is open. Guess.
        confidence: Of the interval of the gain over the baseline.
        share_of_error: Part of the allowed error at each look, as rounds are added while the gain is open. The
            level is the same for all looks, as Pocock's are (Jennison and Turnbull, Group Sequential Methods, chapter
            2); by `benchmarks.false_gains` this part keeps all looks together within the error.
        provable: Fraction of the lowest round at which the certificate starts; nearer to saturation requests cluster,
            and no window of seconds proves anything. Guess.
        certificate_s: Seconds to keep for a certificate beside its server's start. Guess.
        failures: Failures in a row that end a study if nothing was measured before and they are alike; else the last
            config that worked is served once more. Guess.
        unpromising: Trials in a row, from the first on, that violate a ceiling with a single request. Guess.
        cached: Fraction of a window's requests answered from the response cache that ends a study. Guess.
        least_executions: Executions of a batch size with each value of a field that show whether it is ignored. Guess.
        as_long: Fraction within which they take as long. Guess.
        finals_share: Part of a time budget that the final comparison may take, at most. Guess.
        least_configs: Configs that a time budget is divided by: a slow model's windows are shortened so that as many
            are tried. Guess.
        search_part: Part of a time budget that these may take. The rest is for proposals, the final comparison and the
            certificate. Guess.
    """

    contenders: int = 2
    front: int = 5
    close: float = 0.9
    least_rounds: int = 2
    extra_rounds: int = 2
    confidence: float = 0.95
    share_of_error: float = 0.5
    provable: float = 0.95
    certificate_s: float = 15.0
    failures: int = 3
    unpromising: int = 6
    cached: float = 0.95
    least_executions: int = 20
    as_long: float = 0.05
    finals_share: float = 0.5
    least_configs: int = 8
    search_part: float = 0.7

    def most_contenders(self, objective: Objective) -> int:
        """Configs that the final comparison holds against the baseline, at most."""
        return self.front if objective.also else self.contenders
