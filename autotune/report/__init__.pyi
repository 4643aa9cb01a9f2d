from ._data import (
    DATA_FORMATS as DATA_FORMATS,
    ROWS as ROWS,
    check_data_options as check_data_options,
    export_data as export_data,
)
from ._export import export_best as export_best, export_trial as export_trial
from ._format import (
    config_change as config_change,
    describe_candidate as describe_candidate,
    latency as latency,
    load_label as load_label,
    outcome_style as outcome_style,
    rate as rate,
)
from ._formats import (
    FORMATS as FORMATS,
    SWEEP_FORMATS as SWEEP_FORMATS,
    Format as Format,
    find_format as find_format,
    find_sweep_format as find_sweep_format,
)
from ._junit import junit_xml as junit_xml
from ._measurement import claim as claim
from ._purposes import PURPOSES as PURPOSES
from ._studies import studies_table as studies_table
from ._summary import study_summary as study_summary, verdict as verdict
from ._sweep import sweep_table as sweep_table
from ._values import columns_beside as columns_beside, shown_of as shown_of
