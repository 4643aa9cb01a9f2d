"""The output formats."""

import pytest
from reported_studies import result, trial

from autotune.errors import UsageError
from autotune.report import FORMATS, find_format
from autotune.search import BASELINE


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_writes_every_result(name: str) -> None:
    study = result(trial(0, BASELINE, 0.001))
    output = find_format(name)
    for text in (output.study(study), output.studies([study])):
        assert study.study in text
        assert text.endswith("\n")
    assert isinstance(output.doctor([]), str)


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"^--format: 'yaml' is unknown; use text or json$"):
        find_format("yaml")
