"""Joined reports (MULTI_BLOCK): each block is a report of its own; fact keys start with the block, as in B0!0!T."""

import sqlite3
from typing import Any

from integrations.demo_org.reports.definition import ReportDefinition
from integrations.demo_org.reports.filters import bad
from integrations.demo_org.reports.run import Viewer, groups_json, run_definition


def run_joined(
    connection: sqlite3.Connection, viewer: Viewer, definition: ReportDefinition, *, details: bool
) -> dict[str, Any]:
    """The parts of the answer that differ from those of other reports."""
    if not definition.blocks:
        raise bad("The joined report has no blocks")
    facts: dict[str, Any] = {}
    blocks = []
    complete = True
    for number, block in enumerate(definition.blocks):
        result = run_definition(connection, viewer, block, details=details)
        facts.update({f"B{number}!{key}": fact for key, fact in result.facts.items()})
        complete = complete and result.all_data
        blocks.append({"blockId": f"B{number}", "groupingsAcross": groups_json(result.across),
                       "groupingsDown": groups_json(result.down)})  # fmt: skip
    first = blocks[0]
    return {
        "allData": complete,
        "blocks": blocks,
        "factMap": facts,
        "groupingsAcross": first["groupingsAcross"],
        "groupingsDown": first["groupingsDown"],
    }
