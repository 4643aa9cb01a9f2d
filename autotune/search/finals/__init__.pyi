from ._choose import choose as choose
from ._complexity import complexity as complexity
from ._decide import Comparison as Comparison, Decision as Decision, decide as decide, level as level
from ._front import Member as Member, delivered as delivered, front_of as front_of, searched_front as searched_front
from ._read import finals_of as finals_of, levels as levels, ratios_to_baseline as ratios_to_baseline
from ._schedule import (
    FinalComparison as FinalComparison,
    Interrupted as Interrupted,
    finals_s as finals_s,
    going_on as going_on,
)
from ._types import (
    CERTIFICATE as CERTIFICATE,
    FINAL as FINAL,
    Finalist as Finalist,
    Finals as Finals,
    Uncompared as Uncompared,
)
