"""The catalog of alerts: every kind that can be raised, with its meaning, severity and fix. Pure.

The ground floor's kinds stand here; a domain registers its own in its `apps.py`. A test holds every call of `raise_alert`
against the table.
"""

from collections.abc import Iterable
from dataclasses import dataclass

WARNING, ACTION = "warning", "action"
RANK = {WARNING: 0, ACTION: 1}
STATE, NUMBER, PARTS, NEVER = "state", "number", "parts", "never"
OTHER = "other"
DOMAINS = {
    "connections": "Connections", "security": "Security", "sync": "Sync and mappings", "runs": "Runs",
    "okr": "Key results", "product": "Product",
    "billing": "Billing", "provisioning": "Provisioning", "analytics": "Analytics", OTHER: "Other",
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """One kind of alert.

    `prefix` is how its keys begin, `suffix` how they end where two kinds share a prefix. `codes` names each fixed code; a code
    with parts that vary is written with “…”. `worsens` says when another code is worse: any other one (`state`), a larger
    number, a part that was not there before (`parts`, divided by + or ,), or never. `module` is where it is raised.
    `is_news`: something happened and nobody has to do anything; only places that a rule names hear of it; it ends by itself.
    """

    name: str
    domain: str
    label: str
    meaning: str
    fix: str
    prefix: str
    module: str
    severity: str = ACTION
    codes: tuple[str, ...] = ()
    suffix: str = ""
    worsens: str = STATE
    is_news: bool = False

    def is_of(self, key: str) -> bool:
        """Whether an alert with this key is of this kind."""
        return key.startswith(self.prefix) and key.endswith(self.suffix)


KINDS: dict[str, Kind] = {}


def register(*kinds: Kind) -> None:
    """Make kinds known; a name is free or stands for the same kind."""
    for each in kinds:
        if KINDS.setdefault(each.name, each) != each:
            raise ValueError(f"Two kinds of alerts are called {each.name}.")


def every() -> list[Kind]:
    """All kinds by domain and label."""
    order = list(DOMAINS)
    return sorted(KINDS.values(), key=lambda each: (order.index(each.domain), each.label))


def kind_of(key: str) -> str:
    """The name of the kind of an alert with this key; the most exact one, `other` for a key that nothing describes."""
    found = [each for each in KINDS.values() if each.is_of(key)]
    return max(found, key=lambda each: (len(each.prefix), len(each.suffix))).name if found else OTHER


def domain_of(kind: str) -> str:
    """The domain of a kind; `other` for one that is not known (any more)."""
    return KINDS[kind].domain if kind in KINDS else OTHER


def label_of(kind: str) -> str:
    """The kind in words."""
    return KINDS[kind].label if kind in KINDS else "Other"


def is_worse(kind: str, before: tuple[str, str], after: tuple[str, str]) -> bool:
    """Whether an alert got worse; both are (severity, code). What cannot be compared counts as worse."""
    if before[0] != after[0]:
        return RANK.get(after[0], 1) > RANK.get(before[0], 1)
    old, new = before[1], after[1]
    how = KINDS[kind].worsens if kind in KINDS else STATE
    if old == new or how == NEVER:
        return False
    if how == NUMBER and old.isdecimal() and new.isdecimal():
        return int(new) > int(old)
    if how == PARTS:
        return bool(_parts(new) - _parts(old))
    return True


def _parts(code: str) -> set[str]:
    return set(code.replace("+", ",").split(","))


def news() -> list[str]:
    """Names of the kinds that are news."""
    return [each.name for each in KINDS.values() if each.is_news]


def names_of(kinds: Iterable[str]) -> list[str]:
    """Labels, for a sentence."""
    return [label_of(each) for each in kinds]


register(
    Kind("connection.state", "connections", "Connection is down", "Causeway cannot sign in to an org, or must not: the "
         "token was revoked, the user was frozen, the org refuses our address, or its API version ended.",
         "Open the connection and do what its card says; most often: Reconnect.", "connection:", "integrations/orgs/states.py"),
    Kind("connection.many", "connections", "Many connections are down", "Three connections or more went down within a minute, "
         "so they share one message.", "Open the page that authorizes them one after the other.", "connections",
         "integrations/alerts.py", codes=("many",), worsens=NEVER),
    Kind("connection.access", "connections", "Integration user lacks access", "The daily check found that the integration user "
         "lost an object, a field or a permission that a sync needs.", "Give it back with the permission set that the "
         "connection's page names.", "access:", "integrations/orgs/posture.py", WARNING, worsens=PARTS),
    Kind("connection.usage", "connections", "Unusual use of the API", "Somebody else uses this org's API with our token's "
         "rights, or far more calls were made than our own ledger knows.", "If nobody knows why, revoke the token on the "
         "connection's page.", "usage:", "integrations/orgs/budget.py", worsens=PARTS),
    Kind("connection.budget", "connections", "API calls run out", "Causeway has used 75 or 90 % of the API calls that it may "
         "use in this org in 24 hours.", "The budget page says what used them; give it a larger share, or wait until calls "
         "are free again.", "budget:", "integrations/orgs/budget.py", codes=("75", "90"), worsens=NUMBER),
    Kind("security.audit", "security", "The audit was tampered with", "The daily check found an entry of the audit that does "
         "not fit the chain: it was changed, or others before it were removed.", "Compare with a backup and with the digests "
         "in the log before anything else is changed.", "audit:chain", "integrations/audit_keeping.py", codes=("broken-…",)),
    Kind("sync.links", "sync", "Links lead to deleted records", "Records of customers or people were deleted in "
         "Salesforce; nothing is sent for them.", "Link another record, or restore it in Salesforce.", "links:",
         "integrations/sync/matching/following.py", WARNING, ("…",), worsens=NUMBER),
    Kind("sync.guard", "sync", "Mass change waits", "More than a fifth of the rows would be changed, unlinked or deleted "
         "at once, so nothing is done until somebody decides.", "Look at the rows in the outbox, then decide.", "guard:",
         "integrations/sync/guard.py", codes=("guard-…",)),
    Kind("sync.mapping", "sync", "Mapped fields are not sent", "Fields of a mapping are gone in Salesforce, cannot "
         "be written, or changed their type. The other fields go on.", "Open the mapping and choose others.", "mapping:",
         "integrations/sync/mapping/shape.py", WARNING, worsens=PARTS),
    Kind("sync.stage", "sync", "Mapping worked on older data", "The day's read of Salesforce was not complete when mapping "
         "began, so older values were used.", "Look at the run of the mirror; the next one usually mends it.", "mapping-stage:",
         "integrations/sync/mapping/stage.py", WARNING, ("…-…-…",), worsens=NEVER),
    Kind("sync.rows", "sync", "Rows were not accepted", "Salesforce refused more than a tenth, more than 100 or all rows of a "
         "push.", "Open the waiting rows in the outbox; they are grouped by cause.", "outbox:",
         "integrations/sync/outbox/alarms.py", WARNING, ("rows_failed",), worsens=NEVER),
    Kind("sync.drift", "sync", "Salesforce's fields have changed", "An object or a field that is read was removed, renamed, "
         "hidden or got another type.", "Open the mirror; it says what changed and what to do.", "drift:",
         "integrations/sync/mirror/drift.py", codes=("drift-…",)),
    Kind("runs.failing", "runs", "Runs end with errors", "As many runs in a row as a watch names ended with errors.",
         "Open the runs and look at the errors by cause.", "run-watch:", "integrations/sync/run_watch.py", codes=("errors",),
         suffix=":errors", worsens=NEVER),
    Kind("runs.late", "runs", "No run succeeded lately", "For as many hours as a watch names no run of a job succeeded.",
         "Check that the worker runs, then open the latest run.", "run-watch:", "integrations/sync/run_watch.py",
         codes=("late",), suffix=":late", worsens=NEVER),
)  # fmt: skip
