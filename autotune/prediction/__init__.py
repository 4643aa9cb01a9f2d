"""Predicts what untried configs sustain, in three parts.

- Forecast: `service_times` are learnt from the windows of trials, every config of the space is simulated with them, and
  a Gaussian process over the measured trials corrects what the simulation gets wrong.
- Acquisition: expected improvement over the incumbent says which config is worth the next trial.
- Trust: the forecast is set aside if it orders configs wrongly, and win probabilities are calibrated by past ones.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
