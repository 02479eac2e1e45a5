"""Why a record is linked, or not: each rule in its order, what it compared, how many records fitted, and what came of it.

Worked out in Python for one record, apart from the SQL of the cascade, and as things are now: mirror, product, rules in force.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from django.db.models import F

from integrations.access import Refusal
from integrations.lake import reading, storage
from integrations.lake.engine import Engine, open_engine
from integrations.models import Customer, EndUser, Entity, Mapping, RecordLink, SalesforceOrg
from integrations.salesforce.ids import to_18
from integrations.sync.mapping.body import ATTRIBUTE, MappingBody, default_body, read_body
from integrations.sync.matching import changes, keys, rounds
from integrations.sync.matching.cascade import FOLDER, NAMED
from integrations.sync.matching.forms import FORMS
from integrations.sync.matching.links import Record, entity_of, link_of
from integrations.sync.matching.plan import LABELS, RECENT, RECENT_USERS, Criterion, LeftOut, Plan
from integrations.sync.matching.recent import Share, share_of
from integrations.sync.mirror import tables as mirror

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 20
MATCHED, NOTHING, BLANK, STOPPED, SEVERAL, OFF, NOT_REACHED = (
    "matched", "no_candidate", "blank", "stop_list", "several", "off", "not_reached",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One rule. `compared` is the value that it looked at and `form` its normalized form; `candidates` are the ids that fitted
    (on the other side), the chosen one first; `outcome` is a stable code and `sentence` says it for a person."""

    number: int
    rule: str
    label: str
    outcome: str
    sentence: str
    source: str = ""
    field: str = ""
    compared: str = ""
    form: str = ""
    count: int = 0
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trace:
    """The whole answer. `salesforce_id` and `state` are the link's; `finds` is what the rules find now, which a standing link
    does not follow (PX-D8)."""

    entity: str
    object: str
    version: int
    side: str
    subject: str
    sentence: str
    salesforce_id: str = ""
    state: str = ""
    rule: str = ""
    finds: str = ""
    steps: tuple[Step, ...] = ()
    links: tuple[dict[str, str], ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """For the API."""
        return asdict(self)


def explain_match(subject: "Record | str", *, org: SalesforceOrg, entity: str = "") -> Trace:
    """The trace of a customer or end user, or of a Salesforce record by its id (then `entity` says which side it stands for).

    `Refusal` for what is no id or not in the mirror.
    """
    if isinstance(subject, Customer | EndUser):
        return _explain_ours(subject, org)
    return _explain_theirs(subject, org, entity or Entity.CUSTOMER)


def _plan(org: SalesforceOrg, entity: str) -> tuple[Plan, MappingBody, int]:
    mapping = Mapping.objects.filter(org=org, entity=entity).first()
    version = mapping.versions.filter(number=mapping.version).first() if mapping else None
    body = read_body(version.body) if version else default_body(entity)
    return rounds.load_plan(org, body), body, version.number if version else 0


def _ordered(plan: Plan, body: MappingBody) -> list[Criterion | LeftOut]:
    left = {each.rule: each for each in plan.left_out}
    return [plan.criterion(rule.name) or left[rule.name] for rule in body.rules]


# --- From our side -------------------------------------------------------------------------------------------------------


def _explain_ours(record: Record, org: SalesforceOrg) -> Trace:
    entity = entity_of(record)
    plan, body, version = _plan(org, entity)
    link = link_of(record, org)
    table = changes.mirrored(org, body.object)
    steps: list[Step] = []
    finds = ""
    if table is not None:
        about = rounds.open_round(org, plan, table, state=changes.state_of(org, entity))
        survivors = changes.survivors(org, body.object)
        with open_engine() as engine:
            theirs = rounds.refresh_keys(engine, about)
            try:
                engine.bind("theirs", theirs.relation)
                for number, rule in enumerate(_ordered(plan, body), 1):
                    step = _step(engine, plan, rule, number, record, reached=finds, survivors=survivors)
                    finds = step.candidates[0] if step.outcome == MATCHED else finds
                    steps.append(step)
            finally:
                _discard(theirs.staged.path)
    sentence = _sentence(link, finds, body, mirrored=table is not None)
    return Trace(
        entity=entity, object=body.object, version=version, side="product", subject=record.external_id, sentence=sentence,
        salesforce_id=link.salesforce_id if link else "", state=link.state if link else "", rule=link.rule if link else "",
        finds=finds, steps=tuple(steps),
    )  # fmt: skip


def _discard(path: str) -> None:
    """Keys that were normalized only for this answer."""
    if path:
        storage.open_store().delete(path)


def _step(
    engine: Engine,
    plan: Plan,
    rule: Criterion | LeftOut,
    number: int,
    record: Record,
    *,
    reached: str,
    survivors: dict[str, str],
) -> Step:
    label = LABELS[rule.rule]
    if isinstance(rule, LeftOut):
        return Step(number, rule.rule, label, OFF, rule.reason)
    about: dict[str, Any] = {"source": rule.source, "field": rule.field}
    if reached:
        return Step(number, rule.rule, label, NOT_REACHED, "Not needed: an earlier rule found a record.", **about)
    share = _share(record, rule, plan) if rule.rule == RECENT else None
    compared = _compared(record, rule) if share is None else share.largest or ""
    form = FORMS[rule.our_form](compared) if share is None else share.domain
    if rule.field == "Id" and form is not None:
        form = survivors.get(form, form)
    about |= {"compared": compared[:255], "form": form or ""}
    if rule.stops and (form in plan.providers or (share is not None and share.stopped)):
        return Step(number, rule.rule, label, STOPPED, f"{form or compared} is a public mail provider.", **about)
    if form is None:
        return Step(number, rule.rule, label, BLANK, _why_blank(rule, compared, share), **about)
    count, candidates = _candidates(engine, plan, rule, form)
    outcome, sentence = _judge(rule, count, candidates)
    return Step(number, rule.rule, label, outcome, sentence, count=count, candidates=candidates, **about)


def _compared(record: Record, criterion: Criterion) -> str:
    if criterion.source.startswith(ATTRIBUTE):
        value = record.attributes.get(criterion.source.removeprefix(ATTRIBUTE))
    else:
        value = getattr(record, criterion.source)
    return "" if value is None else str(value)


def _share(record: Record, criterion: Criterion, plan: Plan) -> Share:
    users = EndUser.objects.filter(customer_id=record.pk, erased_at=None)
    recent = users.order_by(F("last_seen_at").desc(nulls_last=True), "id")[:RECENT_USERS]
    domains = [FORMS[criterion.our_form](_compared(each, criterion)) for each in recent]
    return share_of(domains, at_least=criterion.at_least, majority=criterion.majority, providers=plan.providers)


def _why_blank(rule: Criterion, compared: str, share: Share | None) -> str:
    if share is not None:
        if not share.count:
            return f"None of the {share.looked_at} most recently seen users has a usable e-mail address."
        needed = f"more than half, at least {rule.at_least}" if rule.majority else str(rule.at_least)
        return f"{share.count} of the {share.looked_at} most recently seen users share {share.largest}; needed are {needed}."
    return (
        "The value cannot be used for this comparison."
        if compared.strip()
        else "The record has no value; empty matches nothing."
    )


def _candidates(engine: Engine, plan: Plan, criterion: Criterion, form: str) -> tuple[int, tuple[str, ...]]:
    import pyarrow as pa

    column = f'"{keys.their_columns(plan)[criterion.rule]}"'
    engine.bind("ours", pa.table({"id": pa.array([0], pa.int64()), "k": pa.array([form], pa.string())}))
    found = engine.rows(engine.sql(f"{FOLDER}/best.sql").replace("<key>", column))
    if not found:
        return 0, ()
    if found[0][3] == 1:
        return 1, (found[0][2],)
    engine.bind("crowded", pa.table({"k": pa.array([form], pa.string())}))
    rows = engine.rows(engine.sql(f"{FOLDER}/candidates.sql").replace("<key>", column), most=NAMED)
    return found[0][3], tuple(record for _, record in rows)


def _judge(rule: Criterion, count: int, candidates: Sequence[str]) -> tuple[str, str]:
    if not count:
        return NOTHING, f"No {rule.field} in Salesforce has this value."
    if count == 1:
        return MATCHED, "Exactly one record fits."
    if rule.when_several == "none":
        return SEVERAL, f"{count:,} records fit, which for this rule is no match; the next rule is tried."
    return MATCHED, f"{count:,} records fit: the oldest is taken, then the lowest id. The link is marked ambiguous."


def _sentence(link: RecordLink | None, finds: str, body: MappingBody, *, mirrored: bool) -> str:
    if not mirrored:
        return f"{body.object} has not been read from Salesforce yet."
    if link is None:
        if not body.retrieve:
            return "Matching is switched off for this kind of record."
        return f"Not linked yet; the next match links it to {finds}." if finds else "Not linked: no rule finds a record."
    if link.state == RecordLink.State.APART:
        return "Kept apart: a person took its link away. Rules leave it alone until somebody links or unlocks it."
    since = f"{link.linked_at:%Y-%m-%d}"
    by = "by hand" if link.rule == "manual" else f"by the rule “{LABELS.get(link.rule, link.rule).lower()}”"
    kept = f"Linked to {link.salesforce_id} {by} since {since}" + (", locked" if link.locked else "")
    if link.state == RecordLink.State.SUSPENDED:
        return f"{kept}; suspended: {link.reason}"
    if finds and finds != link.salesforce_id:
        return f"{kept}. The rules would find {finds} now; a standing link is kept until it is re-checked."
    return f"{kept}. The id is stored with the record and carries the link; rules are not asked again."


# --- From Salesforce's side ----------------------------------------------------------------------------------------------


def _explain_theirs(text: str, org: SalesforceOrg, entity: str) -> Trace:
    try:
        salesforce_id = to_18(str(text).strip())
    except ValueError:
        raise Refusal("not_an_id", "salesforce_id: must be a Salesforce record id of 15 or 18 characters.") from None
    plan, body, version = _plan(org, entity)
    columns = list(dict.fromkeys(each.field for each in plan.criteria if each.field != "Id"))
    found = mirror.find(org, body.object, [salesforce_id], columns)
    if not found:
        raise _why_missing(org, body.object, salesforce_id)
    links = RecordLink.objects.filter(org=org, entity=entity, salesforce_id=salesforce_id).select_related(
        "customer", "end_user"
    )
    steps = []
    with open_engine() as engine:
        engine.bind("spine", changes.our_source(entity, ["external_id", *keys.our_columns(plan.criteria)]).relation)
        for number, rule in enumerate(_ordered(plan, body), 1):
            steps.append(_their_step(engine, plan, rule, number, found[0], org))
    known = tuple(_link_facts(each, entity) for each in links)
    several = f"{len(known)} records are linked to it." if len(known) > 1 else ""
    one = f"Linked to {known[0]['external_id']}." if len(known) == 1 else ""
    return Trace(
        entity=entity, object=body.object, version=version, side="salesforce", subject=salesforce_id,
        sentence=several or one or "No record of ours is linked to it.", salesforce_id=salesforce_id, steps=tuple(steps),
        links=known,
    )  # fmt: skip


def _why_missing(org: SalesforceOrg, object_: str, salesforce_id: str) -> Refusal:
    """Why a record cannot be compared: merged, deleted, or never seen."""
    winner = changes.survivors(org, object_).get(salesforce_id)
    if winner is not None:
        return Refusal("merged", f"This {object_} was merged into {winner} in Salesforce; its links follow that record.")
    with open_engine() as engine:
        engine.bind("gone", mirror.live(org, object_, [mirror.KEY], include_removed=True))
        if engine.rows(f'SELECT 1 FROM gone WHERE "{mirror.KEY}" = $id', id=salesforce_id):  # noqa: S608
            return Refusal("deleted", f"This {object_} was deleted in Salesforce, so nothing is matched with it.")
    return Refusal("no_such_record", f"The mirror has no {object_} with this id: it is hidden, too old or of another kind.")


def _their_step(
    engine: Engine, plan: Plan, rule: Criterion | LeftOut, number: int, record: dict[str, Any], org: SalesforceOrg
) -> Step:
    label = LABELS[rule.rule]
    if isinstance(rule, LeftOut):
        return Step(number, rule.rule, label, OFF, rule.reason)
    compared = _text(record.get(rule.field))
    form = FORMS[rule.their_form](compared)
    about: dict[str, Any] = {"source": rule.source, "field": rule.field, "compared": compared[:255], "form": form or ""}
    if form is None:
        return Step(number, rule.rule, label, BLANK, "The record has no usable value here; empty matches nothing.", **about)
    if rule.stops and form in plan.providers:
        return Step(number, rule.rule, label, STOPPED, f"{form} is a public mail provider.", **about)
    ours = _waiting_with(org, plan.entity, engine, form) if rule.rule == RECENT else _ours_with(engine, rule, form)
    outcome = MATCHED if ours else NOTHING
    sentence = f"{len(ours):,} of our records have this value." if ours else "None of our records has this value."
    if rule.rule == RECENT:
        sentence = sentence.replace("our records", "our unmatched customers").replace(
            "have this value", "have users who share it"
        )
    return Step(number, rule.rule, label, outcome, sentence, count=len(ours), candidates=tuple(ours[:SHOWN]), **about)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _ours_with(engine: Engine, criterion: Criterion, form: str) -> list[str]:
    """External ids of our records whose key is `form`, by id."""
    key = keys.our_key(engine, criterion)
    source = f"(SELECT * FROM spine WHERE {key.value} IS NOT NULL AND {key.value} <> '')"  # noqa: S608
    found: list[tuple[int, str]] = []
    for batch in keys.key_batches(engine, source, ["id", "external_id"], [key]):
        found += _rows_with(batch, form)
    return [external_id for _, external_id in sorted(found)]


def _rows_with(batch: "pa.RecordBatch", form: str) -> list[tuple[int, str]]:
    pc = keys.arrow_functions()
    same = batch.filter(pc.fill_null(pc.equal(batch.column("k"), form), False))
    return list(zip(same.column("id").to_pylist(), same.column("external_id").to_pylist(), strict=True))


def _waiting_with(org: SalesforceOrg, entity: str, engine: Engine, form: str) -> list[str]:
    """Unmatched customers whose recent users shared that domain at the last match."""
    engine.bind("waiting", reading.newest(keys.waiting_table(org, entity), columns=["id", RECENT]))
    rows = engine.rows(
        f"SELECT spine.id, spine.external_id FROM spine JOIN waiting ON waiting.id = spine.id WHERE waiting.{RECENT} = $form",  # noqa: S608
        form=form,
    )
    return [external_id for _, external_id in sorted(rows)]


def _link_facts(link: RecordLink, entity: str) -> dict[str, str]:
    record: Any = link.customer if entity == Entity.CUSTOMER else link.end_user
    return {"external_id": record.external_id, "state": link.state, "rule": link.rule}
