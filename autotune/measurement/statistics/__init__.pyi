from ._batch_means import mean_bounds as mean_bounds
from ._design_effect import ClusteredCounts as ClusteredCounts, at_fraction as at_fraction
from ._isotonic import (
    Bracket as Bracket,
    RateCounts as RateCounts,
    bracket as bracket,
    pooled_fractions as pooled_fractions,
)
from ._late_counts import LateCounts as LateCounts, Verdict as Verdict
from ._location import Location as Location, locate as locate, next_rate as next_rate
from ._options import DEFAULTS as DEFAULTS, StatisticsOptions as StatisticsOptions
from ._paired import Ratio as Ratio, paired_ratio as paired_ratio
from ._percentile import percentile_bounds as percentile_bounds
from ._sequential import (
    Decision as Decision,
    confidence as confidence,
    e_fails as e_fails,
    e_holds as e_holds,
    log_e_fails as log_e_fails,
    log_e_holds as log_e_holds,
)
