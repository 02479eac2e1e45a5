"""Page to create the Salesforce fields that a mapping's push is missing: what would be created, check, create."""

import re
from collections.abc import Mapping as Map
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from integrations.access import Refusal, access
from integrations.audit import address_of
from integrations.models import Entity, Mapping, SalesforceOrg
from integrations.salesforce.errors import SalesforceError
from integrations.sync.fields import granting
from integrations.sync.fields.proposing import TYPE_LABELS, TYPES_OF, Proposal
from integrations.sync.fields.requesting import missing_fields, request_fields, rights_problem
from integrations.sync.mapping import versions
from integrations.sync.mapping.problems import Problem, ProblemsFound

PARTS = ("source", "name", "label", "type", "length", "precision", "scale", "help_text", "values")
CHOSEN = re.compile(r"field-(\d{1,4})-on\Z")
PATH = re.compile(r"fields\[(\d+)\](?:\.(\w+))?")


@dataclass(frozen=True)
class Row:
    """One product field of the page: the proposal, or what the person typed, and what is wrong with it."""

    number: int
    proposal: Proposal
    data: Map[str, str]
    chosen: bool
    accepts: bool
    errors: list[str]

    @property
    def types(self) -> list[tuple[str, str]]:
        """What the field may become."""
        return [(each, TYPE_LABELS[each]) for each in TYPES_OF[self.proposal.source.type]]


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def mapping_fields(request: HttpRequest, org_pk: int, entity: str) -> HttpResponse:
    """Fields that are missing; a POST checks them in Salesforce or creates them, by the button that was pressed."""
    if entity not in Entity.values:
        raise Http404
    mapping = versions.find_mapping(get_object_or_404(SalesforceOrg, pk=org_pk), entity)
    problems: list[Problem] = []
    if request.method == "POST":
        wishes = read_wishes_of(request.POST)
        try:
            run = request_fields(
                mapping, wishes, check_only=request.POST.get("verb") == "check", add_lines="add_lines" in request.POST,
                user=request.user, now=timezone.now(), address=address_of(request),
            )  # fmt: skip
        except ProblemsFound as error:
            problems = list(error.problems)
        except (Refusal, SalesforceError) as error:
            messages.error(request, str(error))
        else:
            return redirect("integrations:run", pk=run.pk)
    context = _context(mapping, request.POST, problems) | {"posted": request.method == "POST"}
    return render(request, "mappings/fields.html", context, status=400 if problems else 200)


def read_wishes_of(data: Map[str, str]) -> list[dict[str, Any]]:
    """The ticked lines of the form as wishes, in the order of the page."""
    numbers = sorted(int(found[1]) for found in map(CHOSEN.match, data) if found)
    wishes = []
    for number in numbers:
        wish: dict[str, Any] = {part: data.get(f"field-{number}-{part}", "") for part in PARTS}
        wish["values"] = wish["values"].splitlines()
        flags = {flag: f"field-{number}-{flag}" in data for flag in ("restricted", "accept_lossy")}
        wishes.append({**wish, **flags})
    return wishes


def _context(mapping: Mapping, data: Map[str, str], problems: list[Problem]) -> dict[str, Any]:
    """The page; a connection that cannot be asked is said, not an error page."""
    trouble, rights, proposals = "", "", []
    try:
        proposals = missing_fields(mapping)
        rights = rights_problem(mapping)
    except (Refusal, SalesforceError) as error:
        trouble = str(error)
    rows = [_row(number, each, data, problems) for number, each in enumerate(proposals)]
    body = versions.body_of(mapping)
    return {
        "mapping": mapping, "org": mapping.org, "entity": mapping.entity, "object": body.object, "prefix": body.prefix,
        "rows": rows, "trouble": trouble, "rights": rights, "set_label": granting.SET_LABEL,
        "general": [each.message for each in problems if not PATH.match(each.path)],
    }  # fmt: skip


def _row(number: int, proposal: Proposal, data: Map[str, str], problems: list[Problem]) -> Row:
    prefix, field = f"field-{number}-", proposal.field
    proposed = {
        "source": proposal.source.key, "name": field.name, "label": field.label, "type": field.type,
        "length": str(field.length or ""), "precision": str(field.precision or ""), "help_text": field.help_text, "values": "",
        "scale": str(field.scale) if field.precision else "",
    }  # fmt: skip
    typed = {part: data.get(f"{prefix}{part}", text) for part, text in proposed.items()}
    same = typed["source"] == proposal.source.key  # what was typed for a line that is gone belongs to nobody
    place = _place_of(number, data)
    errors = [each.message for each in problems if (found := PATH.match(each.path)) and int(found[1]) == place]
    return Row(number, proposal, typed if same else proposed, same and f"{prefix}on" in data,
               f"{prefix}accept_lossy" in data, errors if same else [])  # fmt: skip


def _place_of(number: int, data: Map[str, str]) -> int:
    """Which wish the line became, -1 when it was not ticked."""
    numbers = sorted(int(found[1]) for found in map(CHOSEN.match, data) if found)
    return numbers.index(number) if number in numbers else -1
