"""The cascade: rule by rule in the fixed order, unmatched records only, the first rule that finds takes it (PX-49, PX-55).

A handful of joins over the lake, never a loop over records. What an engine must have bound: `spine` (our records), `users` (end
users, for the rule about recent ones), `theirs` (`keys.write_their_keys`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from integrations.lake.engine import Engine
from integrations.sync.matching import keys
from integrations.sync.matching.keys import KeyColumn, arrow_functions
from integrations.sync.matching.link_store import Match
from integrations.sync.matching.plan import RECENT, RECENT_USERS, Criterion, Plan

if TYPE_CHECKING:
    import pyarrow as pa

NAMED = 1000  # candidates that are named with a link
FEW = 100_000  # records that are kept in memory
FOLDER = "sync/matching/sql"


@dataclass
class Found:
    """What one criterion found: pairs of our id and the record, how many fitted, and all records of the crowded keys."""

    rule: str
    pairs: "pa.Table"
    crowded: Mapping[str, Sequence[str]] = field(default_factory=dict)
    held_back: int = 0

    @property
    def ambiguous(self) -> int:
        """Pairs for which several records fitted."""
        pc = arrow_functions()
        return pc.sum(pc.greater(self.pairs.column("n"), 1)).as_py() or 0

    def matches(self) -> Iterator[Match]:
        """The pairs, one by one, ready to be stored."""
        for batch in self.pairs.to_batches(max_chunksize=20_000):
            columns = (batch.column(name).to_pylist() for name in ("id", "k", "best", "n"))
            for record_id, key, best, n in zip(*columns, strict=True):
                named = tuple(self.crowded.get(key, ())) if n > 1 else ()
                yield Match(record_id, best, self.rule, n, named)


class Cascade:
    """One evaluation of a plan. `done` are the ids that no rule looks at (any more)."""

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        *,
        chosen: "pa.Table | None",
        done: "pa.Table",
        survivors: Mapping[str, str] | None = None,
    ) -> None:
        """`chosen` (a column id) limits the evaluation to these records; None means all. `done` are left out. `survivors` says
        which record each merged one has become: an id that the product still holds leads there."""
        self._engine, self._plan, self._survivors = engine, plan, survivors or {}
        self._their_columns = keys.their_columns(plan)
        self._scope, self._nobody = "spine", chosen is not None and not chosen.num_rows
        if chosen is not None:
            engine.bind("chosen", chosen)
            self._scope = "(SELECT spine.* FROM spine SEMI JOIN chosen ON chosen.id = spine.id)"
        if chosen is not None and chosen.num_rows <= FEW:  # read once, not once a rule
            engine.bind("picked", engine.table(f"SELECT * FROM {self._scope}"))  # noqa: S608
            self._scope = "picked"
        self._done = [done.select(["id"])]
        self._recent = _no_keys()
        self.held_back = _no_ids()

    def found(self) -> Iterator[Found]:
        """What each criterion finds, in order."""
        for criterion in () if self._nobody else self._plan.criteria:
            ours = self._recent_keys(criterion) if criterion.rule == RECENT else self._keys(criterion)
            yield self._join(criterion, ours)

    def rest(self) -> str:
        """SQL (after FROM) of the records that nothing has matched so far."""
        import pyarrow as pa

        self._engine.bind("done", pa.concat_tables(self._done))
        return f"(SELECT kept.* FROM {self._scope} AS kept ANTI JOIN done ON done.id = kept.id)"  # noqa: S608

    def leave_out(self, ids: Sequence[int]) -> None:
        """These records do not count as unmatched: they keep their links for now."""
        import pyarrow as pa

        self._done.append(pa.table({"id": pa.array(ids, pa.int64())}))

    def waiting_rows(self) -> "Iterator[pa.RecordBatch]":
        """The unmatched records with their keys, one column a rule."""
        own = [keys.our_key(self._engine, each, each.rule) for each in self._plan.criteria if each.rule != RECENT]
        recent = self._plan.criterion(RECENT)
        if recent is None:
            yield from keys.key_batches(self._engine, self.rest(), ["id"], own)
            return
        self._engine.bind("recent", self._recent)
        joined = f"(SELECT rest.*, recent.k AS {RECENT} FROM {self.rest()} AS rest LEFT JOIN recent ON recent.id = rest.id)"  # noqa: S608
        yield from keys.key_batches(self._engine, joined, ["id", RECENT], own)

    def _keys(self, criterion: Criterion) -> "pa.Table":
        """Our keys of the records that are left, without blanks."""
        key = keys.our_key(self._engine, criterion)
        left = f"(SELECT * FROM {self.rest()} AS kept WHERE {key.value} IS NOT NULL AND {key.value} <> '')"  # noqa: S608
        ours = _without_blanks(keys.key_batches(self._engine, left, ["id"], [key]))
        return self._without_stops(criterion, _followed(ours, self._survivors) if criterion.field == "Id" else ours)

    def _recent_keys(self, criterion: Criterion) -> "pa.Table":
        """The domain that enough of each customer's recent users share (PX-54, PX-D7)."""
        import pyarrow as pa

        engine = self._engine
        counting = engine.sql(f"{FOLDER}/recent_sizes.sql").replace("<rest>", self.rest())
        engine.bind("sizes", engine.table(counting, at_least=criterion.at_least))
        users = engine.sql(f"{FOLDER}/recent_users.sql").replace("<value>", keys.our_value(engine, criterion.source))
        domain = KeyColumn("k", "value", criterion.our_form)
        batches = list(keys.key_batches(engine, f"({users})", ["customer_id"], [domain], counted="n", most=RECENT_USERS))
        if batches:
            engine.bind("domains", pa.Table.from_batches(batches))
            limits = {"at_least": criterion.at_least, "majority": criterion.majority, "most": RECENT_USERS}
            self._recent = self._without_stops(criterion, engine.table(engine.sql(f"{FOLDER}/recent_domains.sql"), **limits))
        return self._recent

    def _without_stops(self, criterion: Criterion, ours: "pa.Table") -> "pa.Table":
        """Keys that are public mail providers match nothing (R-103)."""
        import pyarrow as pa

        pc = arrow_functions()
        if not criterion.stops or not self._plan.providers:
            return ours
        stopped = pc.is_in(ours.column("k"), value_set=pa.array(sorted(self._plan.providers), pa.string()))
        return ours.filter(pc.invert(stopped))

    def _join(self, criterion: Criterion, ours: "pa.Table") -> Found:
        pc = arrow_functions()
        if not ours.num_rows:
            return Found(criterion.rule, _no_pairs())
        engine, column = self._engine, f'"{self._their_columns[criterion.rule]}"'
        engine.bind("ours", ours)
        pairs = engine.table(engine.sql(f"{FOLDER}/best.sql").replace("<key>", column))
        several = pc.greater(pairs.column("n"), 1)
        held_back = pairs.filter(several).num_rows if criterion.when_several == "none" else 0
        if held_back:
            self.held_back = _joined(self.held_back, pairs.filter(several).select(["id"]))
            pairs = pairs.filter(pc.invert(several))
        crowded = {} if criterion.when_several == "none" else self._candidates(column, pairs.filter(several))
        if crowded:
            pairs = _with_oldest(pairs, several, crowded)
        self._done.append(pairs.select(["id"]).cast(self._done[0].schema))
        return Found(criterion.rule, pairs, crowded, held_back)

    def _candidates(self, column: str, ambiguous: "pa.Table") -> dict[str, list[str]]:
        """The ids behind each crowded key, oldest first."""
        if not ambiguous.num_rows:
            return {}
        self._engine.bind("crowded", ambiguous.select(["k"]).group_by("k").aggregate([]))
        rows = self._engine.rows(self._engine.sql(f"{FOLDER}/candidates.sql").replace("<key>", column), most=NAMED)
        named: dict[str, list[str]] = {}
        for key, record in rows:
            named.setdefault(key, []).append(record)
        return named


def _followed(ours: "pa.Table", survivors: Mapping[str, str]) -> "pa.Table":
    """Our keys in which ids of merged records are those of the survivors."""
    import pyarrow as pa

    if not survivors:
        return ours
    merged = arrow_functions().is_in(ours.column("k"), value_set=pa.array(list(survivors), pa.string()))
    moved = ours.filter(merged)
    winners = pa.array([survivors[each] for each in moved.column("k").to_pylist()], pa.string())
    moved = pa.table({"id": moved.column("id"), "k": winners})
    return pa.concat_tables([ours.filter(arrow_functions().invert(merged)), moved.cast(ours.schema)])


def _with_oldest(pairs: "pa.Table", several: Any, crowded: Mapping[str, Sequence[str]]) -> "pa.Table":
    """The pairs in which crowded keys lead to their oldest record."""
    import pyarrow as pa

    ambiguous = pairs.filter(several)
    oldest = pa.array([crowded[key][0] for key in ambiguous.column("k").to_pylist()], pa.string())
    ambiguous = ambiguous.set_column(ambiguous.schema.get_field_index("best"), "best", oldest)
    return pa.concat_tables([pairs.filter(arrow_functions().invert(several)), ambiguous.cast(pairs.schema)])


def _without_blanks(batches: "Iterator[pa.RecordBatch]") -> "pa.Table":
    import pyarrow as pa

    pc = arrow_functions()
    kept = [batch.filter(pc.is_valid(batch.column("k"))) for batch in batches]
    return pa.Table.from_batches(kept) if kept else _no_keys()


def _no_keys() -> "pa.Table":
    import pyarrow as pa

    return pa.table({"id": pa.array([], pa.int64()), "k": pa.array([], pa.string())})


def _no_ids() -> "pa.Table":
    import pyarrow as pa

    return pa.table({"id": pa.array([], pa.int64())})


def _no_pairs() -> "pa.Table":
    import pyarrow as pa

    texts = {name: pa.array([], pa.string()) for name in ("k", "best")}
    return pa.table({"id": pa.array([], pa.int64()), **texts, "n": pa.array([], pa.int64())})


def _joined(left: "pa.Table", right: "pa.Table") -> "pa.Table":
    import pyarrow as pa

    return pa.concat_tables([left, right.cast(left.schema)])
