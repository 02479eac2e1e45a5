"""The seeded reports: all formats, known columns, one folder that the integration user does not see."""

import pytest

from integrations.demo_org.reports.definition import ReportDefinition, load_definition
from integrations.demo_org.reports.report_types import report_type
from integrations.demo_org.schema.catalogue import standard_objects
from integrations.demo_org.schema.types import Schema
from integrations.demo_org.seed.report_table import FOLDERS, HIDDEN_FOLDER, REPORTS, Saved

SCHEMA = Schema(standard_objects())


def names_in(definition: ReportDefinition) -> set[str]:
    """Every column that a definition mentions."""
    found = {
        *definition.detail_columns,
        *(each.column for each in (*definition.groupings, *definition.filters, *definition.sort)),
    }
    found |= {each.split("!")[1] for each in definition.aggregates if "!" in each}
    found |= {definition.date_filter.column} if definition.date_filter else set()
    return found - {each.name for each in definition.buckets}


@pytest.mark.parametrize("saved", REPORTS, ids=lambda each: each.name)
def test_every_column_of_a_report_exists_in_its_type(saved: Saved) -> None:
    for part in saved.definition.blocks or (saved.definition,):
        kind = report_type(SCHEMA, part.report_type)
        assert {name for name in names_in(part) if kind.find(name) is None} == set()


def test_all_formats_and_depths_of_grouping_are_there() -> None:
    shapes = {
        (each.definition.format, len(each.definition.groupings_down), len(each.definition.groupings_across)) for each in REPORTS
    }
    assert shapes >= {
        ("TABULAR", 0, 0),
        ("SUMMARY", 1, 0),
        ("SUMMARY", 2, 0),
        ("MATRIX", 1, 1),
        ("MATRIX", 2, 1),
        ("MULTI_BLOCK", 0, 0),
    }
    assert len(REPORTS) >= 25
    assert any(each.definition.failure for each in REPORTS)


def test_definitions_are_stored_as_written_and_belong_to_their_folder(org, rows) -> None:
    stored = {
        name: (record, folder)
        for name, record, folder in rows("SELECT r.Name, r.Id, f.Name FROM Report r JOIN Folder f ON f.Id = r.OwnerId")
    }
    assert {each.name: each.folder for each in REPORTS} == {name: folder for name, (_, folder) in stored.items()}
    for each in REPORTS:
        assert load_definition(org.store.read(), stored[each.name][0]) == each.definition


def test_one_folder_is_hidden_and_kept_by_somebody_else(rows) -> None:
    hidden = rows("SELECT f.Name, u.Username FROM Folder f JOIN User u ON u.Id = f.CreatedById WHERE f.AccessType = 'Hidden'")
    assert hidden == [(HIDDEN_FOLDER, "evelyn.winter@harborpine.example")]
    assert {each[0] for each in rows("SELECT Name FROM Folder")} == set(FOLDERS)


def test_developer_names_are_unique_api_names(rows) -> None:
    names = [each[0] for each in rows("SELECT DeveloperName FROM Report")]
    assert len(set(names)) == len(names)
    assert all(name.replace("_", "").isalnum() for name in names)
