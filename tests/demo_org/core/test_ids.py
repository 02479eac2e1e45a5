import json
import re
from pathlib import Path

import pytest

from integrations.demo_org import ids

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "salesforce-recordings"
WORDS = {"a1V3E000000EXomUAM", "005xx000001AbcDEAS", "000000000000000000"}  # edited placeholders in the recordings


def test_consecutive_ids_are_unique_sorted_and_pass_their_checksum():
    made = ids.make_ids("001", "dM", 3_800, 9_000)
    assert len(set(made)) == 9_000
    assert made == sorted(made)
    assert all(ids.to_18(each[:15]) == each for each in made)


def test_18_character_ids_are_accepted_in_any_case():
    made = ids.make_ids("a0B", "dM", 123_456_789, 1)[0]
    assert ids.to_18(made.lower()) == made
    assert ids.to_18(made.upper()) == made


@pytest.mark.parametrize("text", ["", "001", "001dM000000000", "001dM0000000001QAB", "001dM00000000-1", "001dM0000000001Q"])
def test_what_is_no_id_is_refused(text):
    with pytest.raises(ValueError, match="malformed id"):
        ids.to_18(text)


def test_recorded_ids_agree_with_the_checksum():
    if not RECORDINGS.exists():
        pytest.skip("the recordings are not beside this checkout")
    seen = 0
    for path in RECORDINGS.glob("*/*.json"):
        for text in set(re.findall(r'"((?:00[0-9A-Z]|a0[0-9A-Z]|500|701)[0-9A-Za-z]{15})"', path.read_text())):
            if "ACCOUNTID" in text or "xORGID" in text or text in WORDS:
                continue
            seen += 1
            assert ids.to_18(text[:15]) == text, (path.name, text)
    assert seen > 100
    assert json.loads((RECORDINGS / "create" / "account-201.json").read_text())["id"] == ids.to_18("0015500001QdQWf")
