"""The one table that says what follows from each refusal of a row. Pure: data in, data out.

What happens now (again in this run, in smaller calls, without a field, not at all), where the row waits afterwards, and how a
person can cure it. Sources: the object and REST guides' status codes, and recorded answers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from integrations.salesforce import errors as e
from integrations.salesforce.errors import SalesforceError
from integrations.salesforce.ids import is_id, to_18

PARK_AFTER = 5  # runs that tried a row unchanged before it waits for a person
NESTED_LOCK = re.compile(r"UNABLE_TO_LOCK_ROW|unable to obtain exclusive access", re.IGNORECASE)
LISTED_IDS = re.compile(r"\b[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?\b")
REQUIRED = re.compile(r"Required fields are missing: \[([^\]]{1,2000})\]")


class Now(Enum):
    """What the run does about a refused row."""

    AGAIN = "again"
    """The row may succeed in a moment: at least three more tries with back-off, grouped by parent (R-132)."""
    SMALLER = "smaller"
    """Triggers ran out of time: half as many rows a call (R-140)."""
    WITHOUT_FIELD = "without_field"
    """The named fields cannot be written: they are left out, the row goes on (I-10)."""
    NO_MORE_CREATES = "no_more_creates"
    """No room for new records: the run goes on with changes of existing ones (R-141)."""
    STOP = "stop"
    """The whole org takes no writes for now: the run ends as deferred (R-153)."""
    LEAVE = "leave"
    """Nothing more in this run."""


class Later(Enum):
    """What the next runs do about it."""

    EACH_RUN = "each_run"
    """Tried again in every run until it is accepted."""
    PARK = "park"
    """Tried once a run; after `PARK_AFTER` runs without change of the row a person must look (R-139)."""
    PARK_NOW = "park_now"
    """Only a person can help."""
    WAIT_PARENT = "wait_parent"
    """Tried again in every run; its parent is not there yet (R-147)."""
    CONFLICT = "conflict"
    """Several records or several rows claim one key (R-137, PX-D9)."""
    GONE = "gone"
    """The record was deleted in Salesforce: its link is stale (R-138)."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What follows from one refusal. `skipped` counts the row as left out on purpose instead of failed (R-111)."""

    name: str
    now: Now
    later: Later
    skipped: bool = False


LOCK = Cause("lock", Now.AGAIN, Later.EACH_RUN)
BUSY = Cause("busy", Now.AGAIN, Later.EACH_RUN)
HEAVY = Cause("heavy", Now.SMALLER, Later.EACH_RUN)
STORAGE = Cause("storage", Now.NO_MORE_CREATES, Later.EACH_RUN)
FIELD = Cause("field", Now.WITHOUT_FIELD, Later.PARK)
PARENT = Cause("parent", Now.LEAVE, Later.WAIT_PARENT)
SEVERAL = Cause("several", Now.LEAVE, Later.CONFLICT)
DELETED = Cause("deleted", Now.LEAVE, Later.GONE)
MISSING = Cause("required", Now.LEAVE, Later.PARK, skipped=True)
ACCESS = Cause("access", Now.LEAVE, Later.EACH_RUN)
APPROVAL = Cause("approval", Now.LEAVE, Later.EACH_RUN)
FOR_GOOD = Cause("for_good", Now.LEAVE, Later.PARK_NOW)
REFUSED = Cause("refused", Now.LEAVE, Later.PARK)
MAINTENANCE = Cause("maintenance", Now.STOP, Later.EACH_RUN)
UNTOUCHED = Cause("untouched", Now.LEAVE, Later.EACH_RUN)

BY_CODE = {
    "REQUIRED_FIELD_MISSING": MISSING,
    "INVALID_FIELD_FOR_INSERT_UPDATE": FIELD,
    "ENTITY_IS_LOCKED": APPROVAL,
    "CANNOT_UPDATE_CONVERTED_LEAD": FOR_GOOD,
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": UNTOUCHED,
    "PROCESSING_HALTED": UNTOUCHED,
    "DUPLICATE_EXTERNAL_ID": SEVERAL,
    "INVALID_FIELD": FIELD,
}
BY_KIND: tuple[tuple[type[SalesforceError], Cause], ...] = (
    (e.OrgReadOnly, MAINTENANCE),
    (e.RowLocked, LOCK),
    (e.BatchTooHeavy, HEAVY),
    (e.StorageFull, STORAGE),
    (e.ParentMissing, PARENT),
    (e.AmbiguousKey, SEVERAL),
    (e.NoAccess, ACCESS),
    (e.UpstreamUnavailable, BUSY),
    (e.LimitReached, BUSY),
)


def cause_of(error: SalesforceError, *, by_id: bool) -> Cause:
    """What follows from a row's error. `by_id`: the row named its record by Salesforce id."""
    code = error.code.upper()
    if NESTED_LOCK.search(error.message):
        return LOCK  # a trigger may report somebody else's lock under a code of its own
    if names_no_other(error.fields) and (code == "ENTITY_IS_DELETED" or (by_id and _is_unknown_id(error))):
        return DELETED
    for kind, cause in BY_KIND:
        if isinstance(error, kind):
            return cause
    found = BY_CODE.get(code, REFUSED)
    return REFUSED if found is FIELD and not error.fields else found


def read_only(error: SalesforceError) -> e.OrgReadOnly | None:
    """The error that ends the run when a refusal says that the org is in maintenance (R-153)."""
    return error if isinstance(error, e.OrgReadOnly) else None


def names_no_other(fields: Sequence[str]) -> bool:
    """Whether the error is about the record itself and not about one that a field points to."""
    return all(name.lower() == "id" for name in fields)


def _is_unknown_id(error: SalesforceError) -> bool:
    """An update of a record that was purged: Salesforce says that the id refers to nothing."""
    return error.code.upper() in ("NOT_FOUND", "INVALID_CROSS_REFERENCE_KEY", "INVALID_ID_FIELD")


def state_after(cause: Cause, tries: int) -> str:
    """State of the waiting row after `tries` runs have tried it unchanged (a value of `OutboxRow.State`)."""
    if cause.later is Later.PARK:
        return "parked" if tries >= PARK_AFTER else "retrying"
    return {
        Later.EACH_RUN: "retrying",
        Later.PARK_NOW: "parked",
        Later.WAIT_PARENT: "waiting_parent",
        Later.CONFLICT: "conflict",
        Later.GONE: "parked",
    }[cause.later]


def records_named(error: SalesforceError) -> list[str]:
    """Ids (18 characters) of the records that claim one key, as far as the answer lists them (R-137)."""
    listed = [*getattr(error, "record_ids", ())]
    listed += [text for text in LISTED_IDS.findall(error.message) if is_id(text) and any(sign.isdigit() for sign in text)]
    return list(dict.fromkeys(to_18(text) for text in listed))


def sentence_of(cause: Cause, error: SalesforceError) -> str:
    """What a person reads about the refused row: Salesforce's own words, completed where they are bare."""
    if cause is SEVERAL and (found := records_named(error)):
        return f"{len(found)} records share this key: {', '.join(found)}. Nothing was written. Salesforce says: {error.message}"
    if cause is MISSING and (names := required_in(error)):
        return f"Required {', '.join(names)} missing. Salesforce says: {error.message}"
    return error.message


def required_in(error: SalesforceError) -> list[str]:
    """Fields that Salesforce misses, from its list or its text."""
    found = REQUIRED.search(error.message)
    return list(error.fields) or [name.strip() for name in (found[1] if found else "").split(",") if name.strip()]


# --- what a person can do -------------------------------------------------------------------------------------------

FIXES: dict[str, str] = {
    "UNABLE_TO_LOCK_ROW": "Somebody else was saving the same record or its parent. It is tried again by itself.",
    "ENTITY_IS_LOCKED": "The record waits for an approval in Salesforce. It is tried again in every run until it is approved.",
    "REQUIRED_FIELD_MISSING": "Fill {fields}: map it, give the value here, or give the field a default in Salesforce.",
    "STRING_TOO_LONG": "Shorten {fields}, or let the mapping cut it to the field's length.",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "A validation rule of the org refuses the values. Change {fields} here or at the "
    "source, or have the rule changed.",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "Use one of the values of {fields}, translate it in the mapping, or add the "
    "value to the picklist.",
    "INVALID_EMAIL_ADDRESS": "Correct the e-mail address in {fields}.",
    "NUMBER_OUTSIDE_VALID_RANGE": "The number does not fit {fields}: check its unit, or widen the field.",
    "INVALID_TYPE_ON_FIELD_IN_RECORD": "The value is not of the type of {fields}.",
    "FIELD_INTEGRITY_EXCEPTION": "The values contradict each other or the record: check {fields}.",
    "INVALID_CROSS_REFERENCE_KEY": "{fields} points to a record that does not exist or that the integration user cannot see.",
    "DUPLICATE_VALUE": "Another record holds this value already. Find it in Salesforce and link it, or change the value.",
    "DUPLICATES_DETECTED": "A duplicate rule of the org found a similar record. Link that record, or let the integration user "
    "save duplicates.",
    "DUPLICATE_EXTERNAL_ID": "Several records hold this external id. Clear it in all but one of them, then try again.",
    "DUPLICATE_KEY": "Several of our rows lead to one record. Unlink all but one, or choose which one wins.",
    "MISSING_KEY": "The row has no key. Give it one at the source.",
    "BAD_KEY": "The key is not a Salesforce id. Link the row to a record again.",
    "STORAGE_LIMIT_EXCEEDED": "The org has no room for new records. Free some storage or buy more; it is tried again.",
    "ENTITY_IS_DELETED": "The record was deleted in Salesforce. Restore it there, or link the row to another record.",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "The integration user may not write {fields}: give it edit access, or "
    "take the field out of the mapping.",
    "INVALID_FIELD": "{fields} does not exist any more or is hidden from the integration user.",
    "INSUFFICIENT_ACCESS_OR_READONLY": "The integration user may not edit this record: check its sharing and permissions.",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": "The integration user has no access to the record in {fields}.",
    "CANNOT_UPDATE_CONVERTED_LEAD": "The lead was converted: link the row to the contact or account that it became.",
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": "A trigger or flow of the org refuses the record. Its text says why; "
    "the org's admin can change it.",
    "WAITING_FOR_PARENT": "Its parent is not accepted yet. It goes by itself once the parent is there.",
    "UNTRUSTED_ANSWER": "Salesforce's counts did not add up, so nothing was taken for granted. It is sent again.",
}
BY_CAUSE: dict[str, str] = {
    "lock": FIXES["UNABLE_TO_LOCK_ROW"],
    "busy": "Salesforce was busy. It is tried again by itself.",
    "heavy": "Triggers or flows of the org take too long for this record. Have the org's admin look at them.",
    "parent": FIXES["WAITING_FOR_PARENT"],
    "several": FIXES["DUPLICATE_EXTERNAL_ID"],
    "deleted": FIXES["ENTITY_IS_DELETED"],
    "access": FIXES["INSUFFICIENT_ACCESS_OR_READONLY"],
    "field": FIXES["INVALID_FIELD_FOR_INSERT_UPDATE"],
    "untouched": "Another row of the same call failed. It is sent again.",
}
OTHERWISE = "Salesforce refuses the values. Change {fields} here or at the source, then try again."


def suggest_fix(code: str, message: str = "", fields: Sequence[str] = ()) -> str:
    """What a person can do about rows that were refused with this code, in words."""
    text = FIXES.get(code.upper())
    if text is None:
        error = e.RowRefused(message, code=code, fields=tuple(fields))
        text = BY_CAUSE.get(cause_of(error, by_id=False).name, OTHERWISE)
    names = ", ".join(fields) or ", ".join(required_in(e.RowRefused(message, code=code)))
    return text.format(fields=names or "the field").replace("  ", " ")
