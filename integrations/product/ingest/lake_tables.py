"""The lake tables of product events and NPS answers: their names and columns, and relations over their days.

Events of the same id are stored once: the flush asks the stored days before it writes. Rows name people and companies by
our own numbers (`EndUser.pk`, `Customer.pk`), which is how erasures find them (I-23).
"""

from collections.abc import Iterable
from datetime import date

from django.conf import settings

from integrations.lake import reading
from integrations.lake.reading import Relation
from integrations.lake.tables import ensure_table
from integrations.lake.types import Column
from integrations.models import LakeTable

EVENTS, NPS = "product/events", "product/nps"

EVENT_ID, DAY, AT, RECEIVED_AT = "event_id", "day", "at", "received_at"
CUSTOMER_ID, END_USER_ID = "customer_id", "end_user_id"
NAME, AUTOMATIC, PROPERTIES = "name", "automatic", "properties"
SURVEY, SCORE, COMMENT = "survey", "score", "comment"

EVENT_COLUMNS: tuple[Column, ...] = (
    (EVENT_ID, "text"),
    (DAY, "day"),  # UTC day of `at`, the partition
    (AT, "moment"),  # when it happened; a keyword of SQL, so statements write "at" in quotes
    (RECEIVED_AT, "moment"),
    (CUSTOMER_ID, "whole"),  # null until the customer is known, then filled in
    (END_USER_ID, "whole"),  # null for events of a company alone
    (NAME, "text"),  # of the event; "page", "nps", "engagement", "identify", "group" where the event has no name of its own
    (AUTOMATIC, "flag"),  # nothing that the person did (identify, group, a message shown): makes nobody active
    (PROPERTIES, "text"),  # JSON object
)
NPS_COLUMNS: tuple[Column, ...] = (
    (EVENT_ID, "text"),
    (DAY, "day"),
    (AT, "moment"),
    (RECEIVED_AT, "moment"),
    (CUSTOMER_ID, "whole"),
    (END_USER_ID, "whole"),
    (SURVEY, "text"),
    (SCORE, "whole"),  # 0 to 10
    (COMMENT, "text"),
)
SUBJECTS = {END_USER_ID: "end_user.id", CUSTOMER_ID: "customer.id"}


def keep_days() -> int:
    """For how many days events are kept (S-114): the setting PRODUCT_EVENT_DAYS."""
    return settings.PRODUCT_EVENT_DAYS


def events_table() -> LakeTable:
    """The table `product/events`."""
    return _table(EVENTS, EVENT_COLUMNS)


def nps_table() -> LakeTable:
    """The table `product/nps`."""
    return _table(NPS, NPS_COLUMNS)


def events(*, columns: Iterable[str] | None = None, since: date | None = None, until: date | None = None) -> Relation:
    """Stored events, each id once, of the UTC days `since` to `until` (both included). Reading makes no table."""
    return _newest(EVENTS, EVENT_COLUMNS, columns, since, until)


def nps_answers(*, columns: Iterable[str] | None = None, since: date | None = None, until: date | None = None) -> Relation:
    """Stored NPS answers, each id once, of the UTC days `since` to `until` (both included)."""
    return _newest(NPS, NPS_COLUMNS, columns, since, until)


def find_table(name: str) -> LakeTable | None:
    """The table if there is one yet: it is made by the first flush."""
    return LakeTable.objects.filter(name=name).first()


def _newest(
    name: str, known: tuple[Column, ...], columns: Iterable[str] | None, since: date | None, until: date | None
) -> Relation:
    table = find_table(name)
    if table is not None:
        return reading.newest(table, columns=columns, since=since, until=until)
    kinds = dict(known)
    chosen = known if columns is None else tuple((each, kinds[each]) for each in dict.fromkeys(columns))
    return Relation(name, chosen, key=EVENT_ID, version=RECEIVED_AT, day=DAY)


def _table(name: str, columns: tuple[Column, ...]) -> LakeTable:
    return ensure_table(
        name, columns=columns, key=EVENT_ID, version=RECEIVED_AT, day=DAY, keep_days=keep_days(), subjects=SUBJECTS
    )
