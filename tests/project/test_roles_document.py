"""docs/roles.md is the table of the code, not a copy that ages: this test writes what it must say and compares."""

from pathlib import Path

from integrations.access import DOMAIN_GROUPS, DOMAINS, GROUPS, ROLE_LABELS
from project import roles
from project.people.meaning import MEANING
from project.roles.document import render

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "roles.md"
HOW = "docs/roles.md is not what the code says. Write it anew: ./run manage write_roles"


def test_the_document_is_what_the_code_says():
    assert DOCUMENT.read_text() == render(), HOW


def test_the_document_names_every_address_role_domain_and_group():
    text = DOCUMENT.read_text()
    for name in (*roles.PAGES, *roles.API):
        assert f"`{name}`" in text, name
    for words in (*ROLE_LABELS.values(), *DOMAINS.values(), *GROUPS.values(), *DOMAIN_GROUPS.values(), *dict(MEANING).values()):
        assert words in text, words


def test_every_role_has_a_sentence():
    assert {role for role, _ in MEANING} == {*ROLE_LABELS, "domain"} - {"anonymous"}
