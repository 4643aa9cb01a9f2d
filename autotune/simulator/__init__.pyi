from ._batching import Batching as Batching
from ._latencies import lowest_latency as lowest_latency
from ._pipeline import Pipeline as Pipeline
from ._prediction import Prediction as Prediction, statistics_s as statistics_s
from ._rates import highest_rate as highest_rate, highest_rates as highest_rates
from ._service import ServiceTimes as ServiceTimes
from ._stage import Stage as Stage
from ._throughputs import highest_throughputs as highest_throughputs
from ._window import Simulated as Simulated, simulate as simulate
