"""SOSL texts: whatever a person types is searched literally."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.demo_org.soql.search import parse_search
from integrations.salesforce import sosl
from integrations.salesforce.errors import MalformedQuery, TooLarge, UnexpectedAnswer
from tests.salesforce.server import Told

RESERVED = "?&|!{}[]()^~*:\\\"'+-"


@pytest.mark.parametrize("sign", RESERVED)
def test_s_030_every_reserved_character_is_escaped(sign):
    assert sosl.escape(f"a{sign}b") == f"a\\{sign}b"
    (word,) = sosl.words_of(f"ab{sign}cd")
    assert sosl.term_of([word]) == f"ab\\{sign}cd"


@given(st.text(max_size=80))
@settings(max_examples=300, deadline=None)
def test_s_030_no_typed_text_leaves_the_braces(text):
    """The parser of another house reads every term as words, never as something after the braces."""
    words = sosl.words_of(text)
    if not words:
        return
    for joint in ("AND", "OR"):
        written = sosl.write_search(sosl.term_of(words, joint=joint, open_end=True), "Account", ["Id"])
        parsed = parse_search(written)
        assert [each.source.text for each in parsed.returning] == ["Account"]
        inside = written.removeprefix("FIND {").split("} IN ALL FIELDS")[0]
        assert not re.search(r"(?<!\\)(?:\\\\)*[{}]", inside)


def test_words_are_what_can_be_searched():
    found = sosl.words_of("  How do I (quickly) reset AND share a “plan”?! x ")
    assert found == ["How", "do", "quickly", "reset", "share", "plan"]
    assert sosl.words_of("reset not OR and") == ["reset"]
    assert sosl.words_of("a b ! ** --") == []
    assert sosl.words_of("same same Same") == ["same", "Same"]
    assert sosl.words_of("x\0y\nzz") == ["zz"]
    assert len(sosl.words_of(" ".join(f"word{n}" for n in range(50)))) == sosl.MOST_WORDS
    assert len(sosl.words_of("z" * 500)[0]) == sosl.LONGEST_WORD


def test_terms_join_words_and_leave_the_last_one_open():
    assert sosl.term_of(["reset", "pass"], open_end=True) == "reset AND pass*"
    assert sosl.term_of(["reset", "pass"], joint="OR") == "reset OR pass"
    assert sosl.term_of(["c++"], open_end=True) == r"c\+\+"
    with pytest.raises(ValueError, match="needs words"):
        sosl.term_of([])


def test_names_and_groups_are_checked():
    with pytest.raises(ValueError, match="object name"):
        sosl.write_search("x", "Account) RETURNING User", ["Id"])
    with pytest.raises(ValueError, match="field name"):
        sosl.write_search("x", "Account", ["Id, Name"])
    with pytest.raises(ValueError, match="group"):
        sosl.write_search("x", "Account", ["Id"], group="SOME")


def test_answers_of_old_and_new_versions_are_read(server, client):
    server.tell("/search", Told(data={"searchRecords": [{"Id": "1"}]}), Told(data=[{"Id": "2"}]), Told(data={"x": 1}))
    assert sosl.run_search(client, "FIND {ab}") == [{"Id": "1"}]
    assert sosl.run_search(client, "FIND {ab}") == [{"Id": "2"}]
    with pytest.raises(UnexpectedAnswer):
        sosl.run_search(client, "FIND {ab}")
    with pytest.raises(TooLarge):
        sosl.run_search(client, "FIND {" + "ä" * 5000 + "}")


def test_the_recorded_refusal_of_a_search_is_understood(server, client, recordings):
    server.tell("/search", Told(400, recordings.json("search/malformed-search.json")))
    with pytest.raises(MalformedQuery) as caught:
        sosl.run_search(client, "FIND bar")
    assert "must be enclosed in braces" in caught.value.message
