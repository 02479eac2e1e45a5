"""Ask for fields to be created, or validated, in Salesforce: checked first, one order at a time for a connection."""

from collections.abc import Mapping as Map
from datetime import datetime
from typing import Any

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Mapping, Run, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce import metadata
from integrations.salesforce.errors import NoAccess
from integrations.salesforce.metadata_problems import explain_problem
from integrations.sync import runs
from integrations.sync.fields.creating import JOB, UNSEEN
from integrations.sync.fields.granting import SET_NAME
from integrations.sync.fields.proposing import Proposal, prefix_problem, propose
from integrations.sync.fields.wishes import Wish, read_wishes, write_wish
from integrations.sync.mapping import facts, versions
from integrations.sync.mapping.body import MappingBody
from integrations.sync.mapping.check import Known


def request_fields(
    mapping: Mapping, data: object, *, check_only: bool = False, add_lines: bool = True, user: Person | None, now: datetime,
    trigger: str = Run.Trigger.MANUAL, address: str | None = None,
) -> Run:  # fmt: skip
    """Queue the creation (or, with `check_only`, Salesforce's validation) of fields. The same order twice is one run.

    `ProblemsFound` names everything wrong with the wishes by path; `Refusal` when another creation is going on, the connection
    cannot be used or the object cannot be seen. With `add_lines` the mapping gets a line for each field afterwards.
    """
    org = mapping.org
    if not org.is_connected:
        raise Refusal("not_connected", f"{org.name} is {org.get_state_display().lower()}; connect it first.")
    if not org.product_enabled:
        raise Refusal("switched_off", f"The product-experience sync of {org.name} is switched off.")
    wishes = _wishes_of(mapping, data)
    arguments = {
        "entity": mapping.entity, "fields": [write_wish(each) for each in wishes], "check_only": check_only,
        "add_lines": add_lines and not check_only,
    }  # fmt: skip
    going = _going(mapping.org)
    run = going or runs.request_run(JOB, org=org, trigger=trigger, user=user, arguments=arguments, now=now)
    run = settle(run, user=user, now=now)
    if not _same(run.arguments, arguments):
        raise _refuse_second(run)
    if going is None:
        audit.record("run.started", actor=user, target=f"run {run.pk} ({JOB}, {org.name})", address=address)
    return run


def _refuse_second(run: Run) -> Refusal:
    """Another order is being worked on."""
    who = f" for {run.requested_by.get_username()}" if run.requested_by else ""
    count, where = len(run.arguments.get("fields", ())), run.org.name if run.org else "Salesforce"
    fields = f"{count} field{'s' if count != 1 else ''}"
    text = f"Run #{run.pk} is creating {fields} in {where}{who}. Wait until it has ended, then look what is missing."
    return Refusal("running", text)


def _wishes_of(mapping: Mapping, data: object) -> list[Wish]:
    body, known = read_known(mapping)
    assert known.info is not None
    return read_wishes(data, body=body, info=known.info, sources=known.sources)


def read_known(mapping: Mapping) -> tuple[MappingBody, Known]:
    """The body in force and what exists; `Refusal` when the user sees no such object."""
    body = versions.body_of(mapping)
    known = facts.know_object(mapping.org, mapping.entity, body.object)
    if known.info is None:
        raise Refusal("unknown_object", f"Salesforce has no object {body.object}, {UNSEEN}.")
    return body, known


def missing_fields(mapping: Mapping) -> list[Proposal]:
    """Product fields that the mapping does not write yet, each with the field that could be created for it.

    Raises `Refusal` and errors of the wire when the object cannot be described, or no field can carry the prefix.
    """
    body, known = read_known(mapping)
    assert known.info is not None
    wrong = prefix_problem(body.prefix)
    if wrong:
        raise Refusal("prefix", wrong)
    return propose(known.sources.values(), known.info, prefix=body.prefix, pairs=body.pairs)


def rights_problem(mapping: Mapping) -> str:
    """Why the integration user cannot create fields, with the fix; empty when it may look at the setup at least. One call.

    Raises `Refusal` and errors of the wire other than missing rights.
    """
    with client_for(mapping.org, domain=facts.DOMAIN) as client:
        try:
            metadata.find_permission_set(client, SET_NAME)
        except NoAccess as error:
            explained = explain_problem(error.message, code="INSUFFICIENT_ACCESS")
            return f"{explained.sentence} {explained.fix}"
    return ""


def _going(org: SalesforceOrg | None) -> Run | None:
    active = Run.objects.filter(job=JOB, org=org, state__in=Run.ACTIVE).select_related("requested_by", "org")
    return active.order_by("pk").first()


def settle(run: Run, *, user: Person | None, now: datetime) -> Run:
    """The run that goes on when two were asked for at the same moment: the older one. The younger is taken out of the queue,
    because it would be lost silently when the older one waits for Salesforce."""
    first = _going(run.org) if run.is_active else None
    if first is None or first.pk >= run.pk:
        return run
    runs.cancel_run(run, user=user, now=now)
    return first


def _same(one: Map[str, Any], other: Map[str, Any]) -> bool:
    return all(one.get(key) == other.get(key) for key in ("entity", "fields", "check_only"))
