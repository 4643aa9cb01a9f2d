"""The outcome of a check as JUnit XML, as continuous integration shows it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from autotune.report._comparison import gate_sentence
from autotune.search.comparison import CheckResult, Gate

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def junit_xml(result: CheckResult) -> str:
    """One test case: failed if the config did not pass, an error if nothing was decided."""
    sentence, gate = _NOT_XML.sub("?", gate_sentence(result)), result.gate
    undecided = gate is Gate.UNDECIDED
    failed = gate not in (Gate.PASSED, Gate.UNDECIDED)
    counts = {"tests": "1", "failures": str(int(failed)), "errors": str(int(undecided))}
    suites = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "autotune check", **counts})
    name = f"{result.comparison.model}: {result.comparison.metric}"
    case = ElementTree.SubElement(suite, "testcase", {"classname": "autotune.check", "name": name})
    if failed or undecided:
        ElementTree.SubElement(case, "failure" if failed else "error", {"message": sentence, "type": gate.value})
    else:
        ElementTree.SubElement(case, "system-out").text = sentence
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"
