"""The final comparison: the best configs and the baseline, measured again on fresh servers in turns.

A search picks its best config by single measurements, so the winner is partly lucky. Three steps correct that: choose
who takes part, schedule rounds until the decision is made, decide which config is delivered.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
