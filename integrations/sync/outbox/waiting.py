"""Rows that were not accepted: kept by cause, held back while nothing changed, set free when they are accepted.

Only such rows are rows of the database. Everything here works on sets of keys.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from integrations.lake.engine import Engine
from integrations.models import OutboxRow, OutboxTarget, Run
from integrations.salesforce.errors import SalesforceError
from integrations.sync.outbox import causes, diffing, kinds, problems
from integrations.sync.outbox.causes import Cause
from integrations.sync.outbox.columns import Column
from integrations.sync.outbox.plain import plain_value
from integrations.sync.outbox.planning import batches_of

State = OutboxRow.State
CHUNK = 500
PARKED, DISMISSED, EDITED = "parked", "dismissed", "edited"


@dataclass(frozen=True)
class Refused:
    """One row that waits from now on. `state` is set where no answer of Salesforce decides; `tried` counts the run as a try."""

    key: str
    code: str
    message: str
    fields: Sequence[str] = ()
    label: str = ""
    parent_key: str = ""
    salesforce_id: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    cause: Cause | None = None
    state: str = ""
    tried: bool = True
    problem: str = ""
    """What our own side says of a row that cannot be sent; a row with another problem is another row."""


def digest_of(values: Mapping[str, Any], problem: str = "") -> str:
    """Of what we wanted to write, and of why it could not be sent: a changed row starts anew."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":")) + problem
    return hashlib.sha256(text.encode()).hexdigest()


def refusal_of(error: SalesforceError, *, key: str, by_id: bool, **about: Any) -> Refused:
    """The waiting row for an answer of Salesforce."""
    cause = causes.cause_of(error, by_id=by_id)
    message = causes.sentence_of(cause, error)
    code = error.code or cause.name.upper()
    return Refused(key=key, code=code, message=message, fields=error.fields, cause=cause, **about)


# --- storing ------------------------------------------------------------------------------------------------------------


def store_refused(target: OutboxTarget, rows: Iterable[Refused], *, run: Run, now: datetime) -> int:
    """Write waiting rows, set-based; safe to repeat. A run counts as one try of a row, however often it tried it."""
    written = 0
    for chunk in batches_of(iter(rows), CHUNK):
        earlier = {row.key: row for row in target.rows.filter(key__in=[row.key for row in chunk])}
        made = {row.key: _row_of(target, row, earlier.get(row.key), run=run, now=now) for row in chunk}
        OutboxRow.objects.bulk_create(
            made.values(),
            update_conflicts=True,
            unique_fields=["target", "key"],
            update_fields=[
                "label", "parent_key", "salesforce_id", "values", "digest", "state", "code", "message", "fields", "tries",
                "edited", "asked_at", "first_failed_at", "last_failed_at", "run",
            ],
        )  # fmt: skip
        written += len(made)
    return written


def _row_of(target: OutboxTarget, row: Refused, earlier: OutboxRow | None, *, run: Run, now: datetime) -> OutboxRow:
    values, fields, state = dict(row.values), list(row.fields), row.state
    digest = digest_of(values, row.problem)
    if earlier is not None and earlier.edited and values == {**earlier.values, **earlier.edited}:
        values, digest = dict(earlier.values), earlier.digest  # tried with a person's values; what we want is still the same
        if earlier.state == State.UNFIT:
            state, fields = State.UNFIT.value, earlier.fields
    same = earlier is not None and earlier.digest == digest and earlier.state != State.EDITED
    tries = earlier.tries if same and earlier is not None else 0
    if row.tried and not (same and earlier is not None and earlier.run_id == run.pk and tries):
        tries += 1
    state = state or (causes.state_after(row.cause, tries) if row.cause else State.RETRYING.value)
    if same and earlier is not None and earlier.state == State.DISMISSED:
        state = State.DISMISSED.value
    return OutboxRow(
        target=target, key=row.key[:255], label=row.label[:255], parent_key=row.parent_key[:255],
        salesforce_id=row.salesforce_id, values=values, digest=digest, state=state, code=row.code[:80],
        message=row.message, fields=fields, tries=tries,
        edited=earlier.edited if same and earlier is not None else {},
        first_failed_at=earlier.first_failed_at if same and earlier is not None else now, last_failed_at=now, run=run,
    )  # fmt: skip


def free_accepted(target: OutboxTarget, keys: Iterable[str], *, edited: Collection[str] = ()) -> None:
    """These rows were accepted: they wait no longer. Those `edited` went with a person's values: they stay known, so that
    the next push does not write ours over them."""
    for chunk in batches_of(iter(keys), CHUNK):
        rows = target.rows.filter(key__in=chunk)
        kept = [key for key in chunk if key in edited]
        rows.filter(key__in=kept).update(state=State.EDITED, asked_at=None, code="", message="", fields=[], tries=0)
        rows.exclude(key__in=kept).delete()


def edited_rows(target: OutboxTarget, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What is sent of those of these rows that a person gave other values, by key."""
    found: dict[str, dict[str, Any]] = {}
    for chunk in batches_of(iter(keys), CHUNK):
        for row in target.rows.filter(key__in=chunk).exclude(edited={}).exclude(state=State.EDITED):
            found[row.key] = {**row.values, **row.edited}
    return found


def held_keys(target: OutboxTarget) -> set[str]:
    """Keys of all rows that wait."""
    return set(target.rows.values_list("key", flat=True))


# --- holding back -------------------------------------------------------------------------------------------------------


@dataclass
class Held:
    """What to do about waiting rows that a push meets again."""

    back: dict[str, str] = field(default_factory=dict)
    """Key of a row that is not sent now -> parked, dismissed or edited."""
    edited: list[OutboxRow] = field(default_factory=list)
    """Rows that are sent with the values that a person set."""
    settled: list[str] = field(default_factory=list)
    """Keys whose row has nothing left to say."""


def hold_back(engine: Engine, target: OutboxTarget, terms: diffing.Terms, *, complete: bool) -> Held:
    """Compare waiting rows with what would be sent of them now. `complete`: rows that are not desired any more are settled."""
    held, keys = Held(), held_keys(target)
    if not keys:
        return held
    diffing.bind_keys(engine, "held", key_=sorted(keys))
    seen: set[str] = set()
    cells = "".join(f", w.v{n} AS v{n}" for n in range(len(terms.columns)))
    statement = diffing.diff_statement(terms)
    sql = f"SELECT w.key_, w.fate_, w.sent_, w.bad_{cells} FROM ({statement}) AS w INNER JOIN held AS h ON h.key_ = w.key_"  # noqa: S608
    for batch in engine.batches(sql, rows=CHUNK):
        found = batch.to_pylist()
        rows = {row.key: row for row in target.rows.filter(key__in=[each["key_"] for each in found])}
        for each in found:
            seen.add(each["key_"])
            if each["key_"] in rows:
                _judge(held, rows[each["key_"]], each, terms.columns)
    if complete:
        held.settled += sorted(keys - seen)
    return held


def _judge(held: Held, row: OutboxRow, work: Mapping[str, Any], columns: Sequence[Column]) -> None:
    """What becomes of one waiting row (R-139)."""
    if work["fate_"] == diffing.SAME:
        held.settled.append(row.key)
    if work["fate_"] == "bad":
        _judge_unfit(held, row, wanted_of(work, columns), work["bad_"])
    if work["fate_"] != diffing.SEND:
        return
    wanted = wanted_of(work, columns)
    if row.state == State.EDITED:
        if all(name in row.values and row.values[name] == value for name, value in wanted.items()):
            held.back[row.key] = EDITED
    elif row.digest == digest_of(wanted):
        if row.state == State.DISMISSED:
            held.back[row.key] = DISMISSED
        elif row.edited:
            held.back[row.key] = EDITED
            held.edited.append(row)
        elif row.state == State.PARKED and row.asked_at is None:
            held.back[row.key] = PARKED


def _judge_unfit(held: Held, row: OutboxRow, wanted: Mapping[str, Any], problem: str) -> None:
    """What becomes of a row whose value does not fit, as far as a person spoke about exactly this row. Without a person's
    word it is judged anew in every push."""
    if row.state == State.EDITED:
        if row.digest == digest_of(row.values, problem) and all(row.values.get(name) == wanted[name] for name in wanted):
            held.back[row.key] = EDITED
    elif row.digest == digest_of(wanted, problem):
        if row.state == State.DISMISSED:
            held.back[row.key] = DISMISSED
        elif row.edited and problems.can_be_sent(row):
            held.back[row.key] = EDITED
            held.edited.append(row)


def wanted_of(work: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, Any]:
    """The values that a compared row would send, by field: what differs, without the fields whose values do not fit."""
    unfit = {name.lower() for name in problems.read_problem(work["bad_"] or "")[1]}
    return {
        column.field: plain_value(work[f"v{n}"])
        for n, (column, sign) in enumerate(zip(columns, work["sent_"], strict=True))
        if sign == "1" and column.field.lower() not in unfit
    }


def settle(target: OutboxTarget, keys: Sequence[str]) -> None:
    """Forget rows that have nothing left to say."""
    for chunk in batches_of(iter(keys), CHUNK):
        target.rows.filter(key__in=chunk).delete()


def waiting_parents(target: OutboxTarget) -> list[str]:
    """Keys of parents that Salesforce does not have yet, so that their children need not be tried (R-147)."""
    kind = kinds.get(target.kind)
    if not kind.parent_of or kind.parent_of == kind.name:
        return []
    parents = OutboxRow.objects.filter(target__org=target.org_id, target__kind=kind.parent_of, salesforce_id="")
    return list(parents.exclude(state=State.EDITED).values_list("key", flat=True).distinct())


def asked_rows(target: OutboxTarget) -> "QuerySet[OutboxRow]":
    """Rows that a person asked to try again, oldest question first."""
    return target.rows.exclude(asked_at=None).order_by("asked_at", "pk")
