"""The demo org answers as Salesforce did, recording by recording."""

import json

import pytest

from tests.conformity import (
    cases_bulk_and_reports,
    cases_metadata_and_async,
    cases_reading,
    cases_signing_in,
    cases_writing,
)
from tests.conformity.cases import Case, value_at
from tests.conformity.conftest import RECORDINGS, recordings
from tests.conformity.shape import compare, form_of, judge, xml_to_tree
from tests.conformity.world import World

CASES: tuple[Case, ...] = (
    *cases_writing.CASES, *cases_reading.CASES, *cases_signing_in.CASES, *cases_bulk_and_reports.CASES,
    *cases_metadata_and_async.CASES,
)  # fmt: skip
NOT_SERVED = {
    "events/cdc-*": "change events are streamed, which this org does not imitate",
    "events/outbound-message-*": "sent by the org, not answered: compared where flows send messages (test_f1_calling)",
    "metadata/checkdeploystatus-done-v23.xml": "a form of the answer that ended with v29, before the oldest version served",
    "metadata/checkdeploystatus-no-package-v23.xml": "a form of the answer that ended with v29",
    "metadata/deploy-inprogress-v23.xml": "a form of the answer that ended with v29",
    "query/tooling-apex-test-queue.json": "the Tooling API's Apex objects are not imitated; there is no Apex",
    "record/every-field-type.json": "an invented object of a client's fixtures; the forms of its values are compared elsewhere",
}
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded answers are not on this machine")


def covered(file: str) -> bool:
    return any(
        file == pattern or (file.startswith(pattern.removesuffix("*")) and pattern.endswith("*")) for pattern in NOT_SERVED
    )


def parse(file: str, text: str) -> object:
    """A body as it can be compared: JSON, an XML tree, or CSV text as it is."""
    return json.loads(text) if file.endswith(".json") else xml_to_tree(text) if file.endswith(".xml") else text


def test_every_recording_is_compared_or_has_a_reason() -> None:
    files = {each["file"] for each in recordings()}
    compared = {each.file for each in CASES}
    assert compared <= files
    assert {each for each in files - compared if not covered(each)} == set()
    assert not {each for each in compared if covered(each)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_answer_has_the_recorded_shape(case: Case, world: World) -> None:
    entry = next(each for each in recordings() if each["file"] == case.file)
    answer = case.ask(world)
    assert answer.status == (case.status or entry["status"]), answer.text[:1000]
    recorded = case.theirs(parse(case.file, (RECORDINGS / case.file).read_text()))
    ours = case.ours(parse(case.file, answer.text))
    problems = judge(compare(ours, recorded), case.allowed)
    assert not problems, "\n".join(problems)
    for path in case.same:
        assert value_at(ours, path) == value_at(recorded, path)
    for name in case.headers:
        assert name in answer.headers
        theirs = {key.lower(): value for key, value in entry["headers"].items()}.get(name)
        assert theirs is None or form_of(answer.headers[name]) == form_of(theirs), name


def test_every_exception_has_a_reason() -> None:
    for case in CASES:
        assert all(reason for reason in case.allowed.values()), case.file
        assert bool(case.status) == bool(case.status_reason), case.file
