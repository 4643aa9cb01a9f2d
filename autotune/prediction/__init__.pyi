from ._correction import Residual as Residual
from ._explain import explain as explain
from ._explanation import (
    Agreement as Agreement,
    Coverage as Coverage,
    Explanation as Explanation,
    ParameterEffect as ParameterEffect,
)
from ._options import PredictionOptions as PredictionOptions
from ._predictor import Predictor as Predictor
from ._service_times import Window as Window, service_times as service_times
from ._trial_values import failing_values as failing_values
from ._trial_windows import windows_of as windows_of
