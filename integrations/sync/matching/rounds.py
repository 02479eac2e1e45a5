"""One round of matching: what is bound, what is looked at, and what the lake keeps for the next round."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from integrations.lake import reading, tables, writing
from integrations.lake.engine import Engine
from integrations.lake.reading import FileRef, Relation
from integrations.lake.types import arrow_schema
from integrations.lake.writing import StagedFile, open_writer
from integrations.models import Attribute, LakeFile, LakeTable, MatchState, MirrorField, Run, SalesforceOrg
from integrations.sync.mapping.body import MappingBody
from integrations.sync.matching import changes, keys, link_store
from integrations.sync.matching.cascade import FOLDER, Cascade
from integrations.sync.matching.changes import MIRROR, OURS, USERS, Source
from integrations.sync.matching.plan import RECENT, Plan, plan_of
from integrations.sync.mirror import tables as mirror

if TYPE_CHECKING:
    import pyarrow as pa

MANY = 20_000  # ids up to which links are looked up one by one
UNREGISTERED = 2**30  # number of a staged file: newer than all that are registered


def load_plan(org: SalesforceOrg, body: MappingBody) -> Plan:
    """The plan of a body with what exists now: product attributes, mirrored fields."""
    known = mirror.mirror_of(org, body.object)
    fields: dict[str, str] = {"Id": "id"}
    if known is not None and known.table is not None:
        columns = {name for name, _ in tables.columns_of(known.table)}
        readable = MirrorField.objects.filter(object=known).exclude(
            state__in=(MirrorField.State.GONE, MirrorField.State.LEFT_OUT)
        )
        fields |= {name: kind for name, kind in readable.values_list("name", "type") if name in columns}
    attributes = dict(Attribute.objects.filter(entity=body.entity).values_list("key", "type"))
    return plan_of(body, attributes=attributes, fields=fields)


@dataclass
class Round:
    """Everything one evaluation reads, as of its start. `state` is how far the last one came; None means starting anew."""

    org: SalesforceOrg
    plan: Plan
    table: LakeTable
    theirs: Source
    ours: Source
    users: Source | None
    state: MatchState | None
    event: int

    @property
    def seen(self) -> dict[str, int]:
        """How far the last round came, by source."""
        return dict(self.state.seen) if self.state is not None else {}

    @property
    def entity(self) -> str:
        """Customers or end users."""
        return self.plan.entity

    def now_seen(self) -> dict[str, int]:
        """What the next round starts from."""
        return {MIRROR: self.theirs.last, OURS: self.ours.last} | ({USERS: self.users.last} if self.users else {})


def open_round(org: SalesforceOrg, plan: Plan, table: LakeTable, *, state: MatchState | None) -> Round:
    """A snapshot of all sources; a state of other rules counts for nothing."""
    fields = [each.field for each in plan.criteria]
    columns = {name for name, _ in tables.columns_of(table)}
    wanted = [each for each in ("Id", "CreatedDate", "IsDeleted", table.version, *fields) if each in columns]
    recent = plan.criterion(RECENT)
    same = state is not None and state.digest == plan.digest
    return Round(
        org=org, plan=plan, table=table,
        event=changes.last_event(org),  # before links and records are read: what comes later is for the next round
        theirs=changes.source_of(table, wanted),
        ours=changes.our_source(plan.entity, ["external_id", *keys.our_columns(plan.criteria)]),
        users=changes.user_source(_user_columns(recent.source)) if recent else None,
        state=state if same else None,
    )  # fmt: skip


def _user_columns(source: str) -> list[str]:
    return ["attributes" if source.startswith("attributes.") else source]


# --- Keys of the Salesforce side -----------------------------------------------------------------------------------------


@dataclass
class TheirKeys:
    """The key table as it will be: `fresh` are the rows that are new in it (None: all of it was made anew)."""

    table: LakeTable
    staged: StagedFile
    relation: Relation
    former: Relation
    fresh: Relation | None


def refresh_keys(engine: Engine, about: Round) -> TheirKeys:
    """Normalize what is new in the mirror; everything when that cannot be told."""
    table = keys.key_table(about.org, about.entity, about.plan.object)
    former = reading.newest(table)
    new = about.theirs.since(about.seen.get(MIRROR))
    kinds = dict(tables.columns_of(about.table))
    wanted = keys.their_keys(about.plan, kinds)
    anew = new is None
    engine.bind("mirrored", about.theirs.relation if new is None else new)
    source = _complete(about.theirs.relation.names, about.table.version)
    kind = "base" if anew else "delta"
    if new is not None and not new.files:
        staged = writing.nothing_staged()
    else:
        staged = keys.write_their_keys(engine, table, source, about.table.version, wanted, kind=kind)
    there = (FileRef(staged.path, UNREGISTERED, frozenset(staged.columns)),) if staged.rows else ()
    relation = replace(former, bases=there, deltas=()) if anew else replace(former, deltas=former.deltas + there)
    fresh = None if anew else replace(former, bases=(), deltas=there, include_removed=True)
    return TheirKeys(table, staged, relation, former, fresh)


def _complete(have: list[str], version: str) -> str:
    """The mirrored rows with null for columns that every mirror should have and this one lacks."""
    missing = {"CreatedDate": "moment", "IsDeleted": "flag"}
    missing = {name: kind for name, kind in missing.items() if name not in have and name != version}
    if not missing:
        return "mirrored"
    nulls = ", ".join(f'CAST(NULL AS {{{{{kind}}}}}) AS "{name}"' for name, kind in missing.items())
    return f"(SELECT *, {nulls} FROM mirrored)"  # noqa: S608


# --- Which records to look at --------------------------------------------------------------------------------------------


def affected_records(engine: Engine, about: Round, theirs: TheirKeys) -> "pa.Table | None":
    """Ids of the records whose match could come out differently than last time; None: all of them."""
    ours = about.ours.since(about.seen.get(OURS))
    users = about.users.since(about.seen.get(USERS)) if about.users else None
    unknown = theirs.fresh is None or ours is None or (about.users is not None and users is None)
    if about.state is None or unknown or theirs.fresh is None or ours is None:
        return None
    found = [_ids(changes.touched_since(about.org, about.entity, about.state))]
    if ours.files:
        engine.bind("changed", replace(ours, columns=ours.columns[:1]))
        found.append(engine.table("SELECT id FROM changed"))
    if theirs.fresh.files:
        found.append(_of_moved_keys(engine, about, theirs))
    if users is not None and users.files:
        found.append(_of_changed_users(engine, about, users))
    import pyarrow as pa

    engine.bind("found", pa.concat_tables([each.cast(found[0].schema) for each in found]))
    return engine.table("SELECT DISTINCT id FROM found WHERE id IS NOT NULL")


def _of_moved_keys(engine: Engine, about: Round, theirs: TheirKeys) -> "pa.Table":
    """Waiting records that have a key which a changed record has, or had where several records are no match."""
    assert theirs.fresh is not None
    engine.bind("staged", theirs.fresh)
    engine.bind("fresh", engine.table("SELECT * FROM staged"))
    engine.bind("former", theirs.former)
    engine.bind("waiting", reading.newest(keys.waiting_table(about.org, about.entity)))
    columns = keys.their_columns(about.plan)
    parts = []
    for criterion in about.plan.criteria:
        former = criterion.when_several == "none"
        name = "moved_ids" if criterion.field == "Id" else "moved_and_former_keys" if former else "moved_keys"
        moved = engine.sql(f"{FOLDER}/{name}.sql").replace("<theirs>", f'"{columns[criterion.rule]}"')
        parts.append(engine.sql(f"{FOLDER}/affected.sql").replace("<moved>", f"({moved})").replace("<ours>", criterion.rule))
    return engine.table(" UNION ".join(parts)) if parts else _ids([])


def _of_changed_users(engine: Engine, about: Round, users: Relation) -> "pa.Table":
    assert about.users is not None
    engine.bind(
        "changed_users", replace(users, columns=tuple(each for each in users.columns if each[0] in ("id", "customer_id")))
    )
    engine.bind("stored", reading.raw(about.users.table, columns=["id", "customer_id"]))
    return engine.table(engine.sql(f"{FOLDER}/changed_parents.sql"))


def held_records(about: Round, chosen: "pa.Table | None", *, recheck: bool = False) -> "pa.Table":
    """Ids of the records whose link stays as it is; among the chosen ones, or all."""
    if chosen is not None and chosen.num_rows <= MANY and not recheck:
        ids = chosen.column("id").to_pylist()
        return _ids(sorted(link_store.linked_ids(about.org, about.entity, ids)))
    pc = keys.arrow_functions()
    links = link_store.link_table(about.org, about.entity)
    free = links.column("free")
    if not recheck:
        free = pc.and_(free, pc.equal(links.column("state"), "suspended"))
    return links.filter(pc.invert(free)).select(["id"])


def _ids(values: list[int]) -> "pa.Table":
    import pyarrow as pa

    return pa.table({"id": pa.array(values, pa.int64())})


# --- What is kept for the next round -------------------------------------------------------------------------------------


def write_waiting(engine: Engine, about: Round, cascade: Cascade, chosen: "pa.Table | None", *, number: int) -> StagedFile:
    """The records without a match and their keys; of a partial round also marks for those that wait no more."""
    import pyarrow as pa

    table = keys.waiting_table(about.org, about.entity)
    schema = arrow_schema(tables.columns_of(table))
    with open_writer(table, kind="base" if chosen is None else "delta") as writer:
        for batch in cascade.waiting_rows():
            constants = {
                "round": pa.array([number] * batch.num_rows, pa.int64()),
                "removed": pa.array([False] * batch.num_rows),
            }
            writer.write(_fitted(batch, constants, schema))
        if chosen is not None:
            rest = f"SELECT chosen.id AS id FROM chosen ANTI JOIN {cascade.rest()} AS rest ON rest.id = chosen.id"  # noqa: S608
            for batch in engine.batches(rest):
                constants = {
                    "round": pa.array([number] * batch.num_rows, pa.int64()),
                    "removed": pa.array([True] * batch.num_rows),
                }
                writer.write(_fitted(batch, constants, schema))
    return writer.staged


def _fitted(batch: "pa.RecordBatch", constants: "dict[str, pa.Array]", schema: "pa.Schema") -> "pa.RecordBatch":
    import pyarrow as pa

    have = batch.schema.names
    arrays = [
        constants[each.name] if each.name in constants
        else batch.column(each.name).cast(each.type) if each.name in have
        else pa.nulls(batch.num_rows, each.type)
        for each in schema
    ]  # fmt: skip
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def keep_file(table: LakeTable, staged: StagedFile, *, whole: bool, run: Run | None, now: datetime) -> None:
    """Register a file, in the caller's transaction; a whole one takes the place of all before it."""
    old = list(LakeFile.objects.filter(table=table, retired_at=None).values_list("pk", flat=True)) if whole else []
    writing.register(table, staged, run=run, now=now)
    LakeFile.objects.filter(pk__in=old).update(retired_at=now)


def count_waiting(engine: Engine, about: Round, staged: StagedFile, *, whole: bool) -> int:
    """How many records wait, with a file that is not registered yet."""
    relation = reading.newest(keys.waiting_table(about.org, about.entity), columns=["id"])
    there = (FileRef(staged.path, UNREGISTERED, frozenset(staged.columns)),) if staged.rows else ()
    relation = replace(relation, bases=there, deltas=()) if whole else replace(relation, deltas=relation.deltas + there)
    engine.bind("waiting", relation)
    return engine.rows("SELECT count(*) FROM waiting")[0][0]
