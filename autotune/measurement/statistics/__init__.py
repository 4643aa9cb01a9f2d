"""The statistics of late requests: tests, design effect, location of a rate, bounds of percentiles and means.

Pure functions of counts and latencies; nothing here knows of servers, clients or clocks.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
