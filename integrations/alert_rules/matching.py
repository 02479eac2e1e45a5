"""Which places are told of an alert, and when. Pure: no ORM, no network, no clock. Instants are UTC, hours those of a zone."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

NOW, HOURLY, DAILY = "now", "hourly", "daily"
USUAL, NAMED = "usual", "named"
TOGETHER = 3
"""So many messages for one place at the same time become one."""


@dataclass(frozen=True)
class Facts:
    """What rules ask of an alert; sets, because one that speaks for others has what each of them has."""

    kinds: frozenset[str]
    codes: frozenset[str]
    domains: frozenset[str]
    orgs: frozenset[int]
    environments: frozenset[str]
    severity: str
    names_people: bool = False
    is_news: bool = False


@dataclass(frozen=True)
class Quiet:
    """Hours without messages, `start` included and `end` not, in a zone; over midnight when `start` is later."""

    start: time
    end: time
    zone: ZoneInfo

    def covers(self, at: datetime) -> bool:
        """Whether an instant lies in them."""
        hour = at.astimezone(self.zone).time().replace(tzinfo=None)
        if self.start <= self.end:
            return self.start <= hour < self.end
        return hour >= self.start or hour < self.end

    def ends(self, at: datetime) -> datetime:
        """The first instant from `at` on that they do not cover."""
        return next_at(self.end, at, self.zone) if self.covers(at) else at


@dataclass(frozen=True)
class Rule:
    """A rule as the comparison needs it. `channels` and `escalate_to` are numbers of channels that are active."""

    pk: int
    kinds: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    orgs: frozenset[int] = frozenset()
    environments: frozenset[str] = frozenset()
    channels: tuple[int, ...] = ()
    has_people: bool = False
    mails_usual: bool = False
    rhythm: str = NOW
    daily_at: time = time(8)
    zone: ZoneInfo = ZoneInfo("UTC")  # noqa: RUF009  immutable
    quiet: Quiet | None = None

    @property
    def leads_somewhere(self) -> bool:
        """Whether it tells anybody: a rule whose channels are all paused does not count."""
        return bool(self.channels or self.has_people or self.mails_usual)


@dataclass(frozen=True)
class Route:
    """One place and when it is told. `place`: channel:3, usual, named, or rule:2 for the people of a rule."""

    place: str
    due_at: datetime
    rule: int | None = None
    channel: int | None = None


def matches(rule: Rule, facts: Facts) -> bool:
    """Whether a rule speaks of an alert: every list of it is empty or names something that the alert has."""
    asked = (
        (rule.kinds, facts.kinds), (rule.codes, facts.codes), (rule.domains, facts.domains), (rule.orgs, facts.orgs),
        (rule.environments, facts.environments), (rule.severities, frozenset((facts.severity,))),
    )  # fmt: skip
    return all(not wanted or bool(wanted & has) for wanted, has in asked)


def routes_of(
    facts: Facts, rules: Iterable[Rule], *, default: Sequence[int], warned: Collection[int], now: datetime
) -> list[Route]:
    """Where an alert goes: what all matching rules say, each place once and as early as one of them wants.

    Empty for news that no rule leads somewhere, and else never. Without a matching rule that leads somewhere: mail to the usual
    people and the channels of `default`, of which only those in `warned` take warnings. People whom an alert names are told at
    once whatever rules say.
    """
    matching = [each for each in rules if each.leads_somewhere and matches(each, facts)]
    if not matching and facts.is_news:
        return []
    if not matching:
        taken = [each for each in default if facts.severity != "warning" or each in warned]
        return [Route(USUAL, now), *(Route(f"channel:{each}", now, None, each) for each in taken)]
    found: dict[str, Route] = {}
    for route in (each for rule in matching for each in _of_rule(rule, now)):
        known = found.get(route.place)
        if known is None or route.due_at < known.due_at:
            found[route.place] = route
    if facts.names_people and USUAL not in found:
        found[NAMED] = Route(NAMED, now)
    return list(found.values())


def _of_rule(rule: Rule, now: datetime) -> Iterable[Route]:
    at = due_at(rule, now)
    for channel in rule.channels:
        yield Route(f"channel:{channel}", at, rule.pk, channel)
    if rule.has_people:
        yield Route(f"rule:{rule.pk}", at, rule.pk)
    if rule.mails_usual:
        yield Route(USUAL, at, rule.pk)


def due_at(rule: Rule, now: datetime) -> datetime:
    """When a message of a rule goes out: at once or with the next digest, after the quiet hours that lie there."""
    at = now
    if rule.rhythm == HOURLY:
        at = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    elif rule.rhythm == DAILY:
        at = next_at(rule.daily_at, now, rule.zone)
    return rule.quiet.ends(at) if rule.quiet else at


def next_at(hour: time, after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant after `after` at which clocks of a zone show `hour`; one that a change of clocks leaves out comes as
    much later as the clocks were put forward."""
    day = after.astimezone(zone).date()
    for ahead in range(3):
        wanted = datetime.combine(day + timedelta(days=ahead), hour, tzinfo=zone).astimezone(UTC)
        if wanted > after:
            return wanted
    return after + timedelta(days=1)


def is_one_message(rhythm: str, number: int) -> bool:
    """Whether messages that are due for one place at the same time are put into one."""
    return number > 1 and (rhythm != NOW or number >= TOGETHER)
