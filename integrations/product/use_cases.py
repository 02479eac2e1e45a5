"""The gallery of ready-made use cases (PX-39..PX-42): one click makes a segment with an engagement, a task rule or a score.

What is made is an ordinary draft that people change. Only signals that this installation knows are used.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.access import Person, Refusal
from integrations.models import SalesforceOrg
from integrations.product import signals
from integrations.product.engagements import templates
from integrations.product.health import definitions as health
from integrations.product.models import Engagement, HealthScore, TaskRule
from integrations.product.task_rules import definitions as tasks

ENGAGEMENT, RULE, SCORE = "engagement", "task_rule", "health"
WORDS = {ENGAGEMENT: "Segment and engagement", RULE: "Task rule", SCORE: "Health score"}
PAGES = {ENGAGEMENT: "product:engagement", RULE: "product:task_rule", SCORE: "product:health"}


@dataclass(frozen=True)
class UseCase:
    """One card of the gallery. `make` gives what was made; `needs` are signals without which it means nothing."""

    key: str
    id: str
    kind: str
    label: str
    about: str
    make: Callable[..., Any]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    """A use case with what was made of it here already, and why it cannot be used (empty: it can)."""

    case: UseCase
    made: Sequence[Any]
    trouble: str = ""

    @property
    def page(self) -> str:
        """Name of the page of what it makes."""
        return PAGES[self.case.kind]

    @property
    def makes(self) -> str:
        """What it makes, in words."""
        return WORDS[self.case.kind]


SCORE_PARTS: tuple[dict[str, Any], ...] = (
    {"signal": "days_since_seen", "weight": 2, "worst": "30", "best": "0", "missing": "worst"},
    {"signal": "active_users_30d", "weight": 2, "worst": "0", "best": "20"},
    {"signal": "active_users_30d_pct", "weight": 3, "worst": "-50", "best": "10"},
    {"signal": "nps_score_90d", "weight": 2, "worst": "-50", "best": "50"},
    {"signal": "support.urgent_cases", "weight": 2, "worst": "2", "best": "0"},
    {"signal": "support.open_cases", "weight": 1, "worst": "8", "best": "0"},
    {"signal": "support.oldest_open_days", "weight": 1, "worst": "60", "best": "0"},
)
RENEWAL_PART: dict[str, Any] = {"weight": 1, "worst": "0", "best": "120"}


def read_gallery(org: SalesforceOrg | None) -> list[Card]:
    """Every use case with what was made of it."""
    known = signals.by_key(org) if org is not None else {}
    made = {
        ENGAGEMENT: list(Engagement.objects.exclude(template="").order_by("pk")),
        RULE: list(TaskRule.objects.exclude(state=TaskRule.State.ARCHIVED).order_by("pk")),
        SCORE: list(HealthScore.objects.order_by("pk")),
    }
    return [Card(case, _made_of(case, made[case.kind]), _trouble(case, org, known)) for case in CASES.values()]


def make_use_case(
    key: str, *, org: SalesforceOrg | None, user: Person | None, now: datetime, address: str | None = None
) -> Any:
    """Make what the use case is about, as a draft; what was made. `Refusal` says why it cannot be."""
    case = CASES.get(key)
    if case is None:
        raise Refusal("no_use_case", f"There is no use case {key[:40]!r}. Known: {', '.join(CASES)}.")
    trouble = _trouble(case, org, signals.by_key(org) if org is not None else {})
    if trouble:
        raise Refusal("not_possible", trouble)
    return case.make(case, org=org, user=user, now=now, address=address)


def _trouble(case: UseCase, org: SalesforceOrg | None, known: Mapping[str, signals.Signal]) -> str:
    if case.kind == ENGAGEMENT:
        wanted = templates.TEMPLATES[case.key]
        if wanted.needs_date and not templates.date_attributes():
            return "Customers have no date attribute yet: pull the renewal date from Salesforce (Mappings, Customers)."
        return ""
    if org is None:
        return "Connect a Salesforce org first."
    missing = [key for key in case.needs if key not in known]
    return f"Not known here: {', '.join(missing)}." if missing else ""


def _made_of(case: UseCase, listed: Sequence[Any]) -> list[Any]:
    if case.kind == ENGAGEMENT:
        return [each for each in listed if each.template == case.key]
    if case.kind == SCORE:
        return list(listed)
    return [each for each in listed if each.name == case.label or each.name.startswith(f"{case.label} (")]


def _free_name(name: str, taken: Sequence[str]) -> str:
    lower = {each.lower() for each in taken}
    names = (name, *(f"{name} ({number})" for number in range(2, 1000)))
    return next(each for each in names if each.lower() not in lower)


# --- makers -------------------------------------------------------------------------------------------------------------


def _make_engagement(case: UseCase, *, user: Person | None, now: datetime, **_: Any) -> Engagement:
    return templates.from_template(case.key, user=user, now=now)


def _make_score(
    case: UseCase, *, org: SalesforceOrg, user: Person | None, now: datetime, address: str | None = None
) -> HealthScore:
    """The score of what is known here; a second one gets an attribute of its own."""
    return health.save_score(None, score_draft(org, case.label), user=user, now=now, address=address)


def score_draft(org: SalesforceOrg, name: str) -> health.Draft:
    """The ready-made score for a connection: product use, NPS, support and, where there is a date, the renewal."""
    known = signals.by_key(org)
    parts = [part for part in SCORE_PARTS if part["signal"] in known]
    renewal = next((each for each in templates.date_attributes() if _is_renewal(each.key)), None)
    if renewal is not None and (key := f"{signals.UNTIL}{signals.ATTRIBUTE}{renewal.key}") in known:
        parts.append({"signal": key, **RENEWAL_PART})
    taken = list(HealthScore.objects.values_list("name", "key"))
    number = len(taken) + 1
    keys = {key.lower() for _, key in taken}
    own = next(key for key in ("health_score", *(f"health_score_{n}" for n in range(number, 1000))) if key not in keys)
    return health.Draft(_free_name(name, [each for each, _ in taken]), own, org, parts)


def _is_renewal(key: str) -> bool:
    return any(word in key.lower() for word in templates.DATE_WORDS)


def _rule_maker(conditions: Sequence[dict[str, str]], **values: Any) -> Callable[..., TaskRule]:
    """Makes a rule with these conditions."""

    def make(case: UseCase, *, org: SalesforceOrg, user: Person | None, now: datetime, address: str | None = None) -> TaskRule:
        taken = TaskRule.objects.filter(org=org).exclude(state=TaskRule.State.ARCHIVED).values_list("name", flat=True)
        name = _free_name(case.label, list(taken))
        draft = tasks.Draft(org=org, name=name, conditions=list(conditions), **values)
        return tasks.save_rule(None, draft, user=user, now=now, address=address)

    return make


def _condition(signal: str, op: str, value: str) -> dict[str, str]:
    return {"signal": signal, "op": op, "value": value}


CASES: dict[str, UseCase] = {
    each.key: each
    for each in (
        UseCase(
            "renewal_90_days", "PX-40", ENGAGEMENT, "Talk to customers before they renew",
            "A message inside the product for the people of every customer whose renewal is within 90 days.", _make_engagement,
        ),
        UseCase(
            "usage_fell", "PX-41", RULE, "Use fell sharply",
            "A task for the account owner when the active users of 30 days fell by 40 % or more.",
            _rule_maker(
                [_condition("active_users_30d_pct", "at_most", "-40"), _condition("days_since_seen", "at_most", "60")],
                subject="{{customer}} uses the product much less", priority="High", cooldown_days=60,
                description="Find out what has changed at {{customer}}.\n\n{{reason}}",
            ),
            needs=("active_users_30d_pct",),
        ),
        UseCase(
            "detractor", "PX-41", RULE, "Somebody is not happy",
            "A task when somebody at the customer answered 0 to 6 to an NPS survey in the last 30 days.",
            _rule_maker(
                [_condition("nps.detractors_30d", "at_least", "1")], subject="Ask {{customer}} what went wrong",
                priority="High", due_in_days=2, description="Somebody there would not recommend us.\n\n{{reason}}",
            ),
        ),
        UseCase(
            "no_login", "PX-41", RULE, "Nobody has come for two weeks",
            "A task when nobody of a customer has used the product for 14 days; after 90 days it is too late for one.",
            _rule_maker(
                [_condition("days_since_seen", "at_least", "14"), _condition("days_since_seen", "at_most", "90")],
                subject="Nobody at {{customer}} has come for two weeks", cooldown_days=45,
            ),
        ),
        UseCase(
            "urgent_cases", "PX-41", RULE, "Urgent cases and less use",
            "A task when a customer has urgent open cases and uses the product less than a month ago.",
            _rule_maker(
                [_condition("support.urgent_cases", "at_least", "1"), _condition("active_users_30d_pct", "below", "0")],
                subject="{{customer}}: urgent cases and less use", priority="High", due_in_days=1,
            ),
            needs=("active_users_30d_pct",),
        ),
        UseCase(
            "health_score", "PX-42", SCORE, "Health score",
            "One number from 0 to 100 from product use, NPS, support cases and renewal; map it to write it to Salesforce.",
            _make_score,
        ),
        UseCase(
            "nps_quarterly", "PX-39", ENGAGEMENT, "Ask for an NPS answer each quarter",
            "A survey inside the product; its figures go to Salesforce like any other KPI.", _make_engagement,
        ),
        UseCase(
            "usage_falls", "PX-39", ENGAGEMENT, "Offer help where use falls",
            "A message inside the product to customers whose active users fell by 30 % or more.", _make_engagement,
        ),
    )
}  # fmt: skip
