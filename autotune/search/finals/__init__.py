"""The final comparison: the best configs and the baseline, measured again on fresh servers in turns.

A search picks its best config by single measurements, so the winner is partly lucky. Three steps correct that: choose
who takes part, schedule rounds until the decision is made, decide which config is delivered.
"""

from autotune.search.finals._choose import choose
from autotune.search.finals._complexity import complexity
from autotune.search.finals._decide import Comparison, Decision, decide, level
from autotune.search.finals._front import Member, delivered, front_of, searched_front
from autotune.search.finals._read import finals_of, levels, ratios_to_baseline
from autotune.search.finals._schedule import FinalComparison, Interrupted, finals_s, going_on
from autotune.search.finals._types import CERTIFICATE, FINAL, Finalist, Finals, Uncompared

__all__ = [
    "CERTIFICATE",
    "FINAL",
    "Comparison",
    "Decision",
    "FinalComparison",
    "Finalist",
    "Finals",
    "Interrupted",
    "Member",
    "Uncompared",
    "choose",
    "complexity",
    "decide",
    "delivered",
    "finals_of",
    "finals_s",
    "front_of",
    "going_on",
    "level",
    "levels",
    "ratios_to_baseline",
    "searched_front",
]
