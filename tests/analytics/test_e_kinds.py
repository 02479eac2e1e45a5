"""Every kind that exists fits the frame: its form, its texts in the address, its icon, its definition, its documents' numbers."""

import ast
from pathlib import Path

import pytest
from django.http import QueryDict
from django.utils import timezone

from analytics.analyses import asking, definitions, finding, forms, kinds, nightly
from analytics.analyses.drawing.blocks import DRAWN, draw_document
from analytics.models import Result
from integrations.sync import runs
from project.templatetags.ui import NAVIGATION
from tests.analytics.story_world import tell

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]


def test_what_an_address_says_is_read_back_as_the_same_question(org):
    """Through form and address, every kind's defaults and its nightly parameters stay the same question."""
    for kind in kinds.every():
        for data in ({}, *kind.nightly):
            parameters = asking.read_parameters(kind, org, data)
            again = forms.data_of(kind, QueryDict(forms.query_of(kind, parameters, org)))
            assert asking.read_parameters(kind, org, again) == parameters, kind.name


def test_the_navigation_leads_to_kinds_that_exist():
    known = {kind.name for kind in kinds.every()}
    group = dict(NAVIGATION)["Analytics"]
    assert group[0].path == "/analytics/"
    for place in group[1:]:
        assert place.path.strip("/").split("/")[1] in known | {"groups"}, place.path


def test_every_kind_computes_on_facts_and_every_number_with_customers_opens_them(org, cast):
    """Documents of all nightly questions: known charts, tables for all that is drawn, cells that open."""
    from analytics.analyses import behind

    tell(org, customers=200)
    nightly.queue_nightly(org, now=timezone.now())
    runs.request_run(asking.JOB, org=org, now=timezone.now())
    assert [each.problem for each in Result.objects.filter(state=Result.State.FAILED)] == []
    shown = definitions.definitions()
    for result in Result.objects.select_related("analysis__org"):
        kind, document = asking.kind_of(result.analysis), result.document
        assert kind is not None
        keys = [block["key"] for block in document["blocks"]]
        assert len(keys) == len(set(keys)), (kind.name, keys)
        for block, drawn in zip(document["blocks"], draw_document(document), strict=True):
            assert block["chart_type"] in ("", *DRAWN), (kind.name, block["chart_type"])
            assert drawn["empty"] or not drawn["chart"] or drawn["rows"], f"{kind.name} {block['key']} has no table"
            assert len(set(finding.csv_header(block))) == len(finding.csv_header(block)) or not block["rows"], block["key"]
        cells = {finding.cell_text(cell): cell for cell in finding.cells_of(document["blocks"])}
        for text in list(cells)[:: max(1, len(cells) // 2)]:
            assert kind.behind is not None, kind.name
            behind.read_page(behind.open_cell(result, text), user=cast.ana)
        assert str(document["definition"]).rpartition("#")[2], kind.name
        assert shown


def test_the_web_process_loads_no_statistics():
    """What views and the API import names neither statsmodels, lifelines, pandas nor scipy at the top of a file."""
    refused = {"statsmodels", "lifelines", "pandas", "scipy", "duckdb", "pyarrow"}
    found = []
    for file in [*(ROOT / "analytics/analyses").rglob("*.py"), *(ROOT / "analytics/views").glob("*.py")]:
        for node in ast.parse(file.read_text()).body:
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{file.name}: {name}" for name in names if name.split(".")[0] in refused]
    assert found == []
