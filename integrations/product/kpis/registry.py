"""Every KPI of a customer: its key, what it means, and what the reference's three lists call it. Pure.

The reference names the same figures in three lists (A: PX-43, B: PX-61 to PX-64, C: PX-65) with different words. Each line of
each list leads to exactly one key here; mapping pages show the reference's name and our definition side by side, the API uses
the keys.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

SEPARATOR = ":"
COUNT, PERCENT, SCORE, POINTS = "count", "percent", "score", "points"
UNITS = {COUNT: "Count", PERCENT: "Percent", SCORE: "Score from -100 to 100", POINTS: "Points"}
PCT = "Blank when the window before has none and this one has some; 0 when both have none."
DAYS = {"7d": 7, "30d": 30, "90d": 90}
CHANGES = {"7d": ("WoW", "Week over Week"), "30d": ("MoM", "Month over Month"), "90d": ("QoQ", "Quarter over Quarter")}
ROLLING_WORD = {"7d": "Weekly", "30d": "Monthly", "90d": "Quarterly"}
ROLLING_SHORT = {"7d": "WAU", "30d": "MAU", "90d": "QAU"}
PERIODS = (("last_week", "wow", "Week"), ("last_month", "mom", "Month"), ("last_quarter", "qoq", "Quarter"))
FEATURE_C = {
    "7d": ("Feature usage last 7 days",), "30d": ("Feature usage last 30 days",), "90d": ("Feature usage last 30 days (2)",)
}  # fmt: skip
"""List C prints "Feature usage last 30 days" twice; the second is read as the 90 days that it otherwise lacks."""


@dataclass(frozen=True, slots=True)
class Kpi:
    """One figure. `kind` says how it is computed and `window` of which window; a KPI `of_feature` exists once a feature."""

    key: str
    kind: str
    window: str
    unit: str
    definition: str
    list_a: tuple[str, ...] = ()
    list_b: tuple[str, ...] = ()
    list_c: tuple[str, ...] = ()
    own_name: str = ""
    of_feature: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What the reference calls it, without repeats."""
        listed = (name.removesuffix(" (2)") for name in (*self.list_a, *self.list_b, *self.list_c))
        kept: dict[str, str] = {}
        for name in listed:
            kept.setdefault(name.casefold(), name)
        return tuple(kept.values())

    @property
    def label(self) -> str:
        """The name for pages: the reference's, ours where it has none."""
        return self.own_name or (self.names[0] if self.names else self.key)

    @property
    def is_whole(self) -> bool:
        """Whether its values never have decimals."""
        return self.unit != PERCENT


@dataclass(frozen=True, slots=True)
class FeatureKpis:
    """What the registry needs to know of a feature that is offered as KPI (PX-D16)."""

    id: int
    key: str
    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of one customer as it is stored: `key` is what mappings name, such as `feature_users_30d:report_builder`."""

    key: str
    kpi: Kpi
    feature: FeatureKpis | None = None

    @property
    def label(self) -> str:
        """For pages."""
        return f"{self.kpi.label}: {self.feature.name}" if self.feature else self.kpi.label

    @property
    def meaning(self) -> str:
        """What it means, for pages."""
        if self.feature is None:
            return self.kpi.definition
        return self.kpi.definition.replace("the feature", f"the feature {self.feature.name}")

    @property
    def definition(self) -> str:
        """For the mapping dropdown, with the reference's other names."""
        others, text = [name for name in self.kpi.names if name != self.kpi.label], self.meaning
        return f"{text} Also called: {', '.join(others)}." if others else text


def _active() -> Iterator[Kpi]:
    for window, days in DAYS.items():
        short, long = CHANGES[window]
        word, initials = ROLLING_WORD[window], ROLLING_SHORT[window]
        yield Kpi(
            f"active_users_{window}", "active_users", window, COUNT,
            f"Distinct end users who did something in the product in the last {days} complete UTC days.",
            (f"{word} Active Users ({initials}) Count",), (f"{days} Day Active User Count",), (f"{word} active users",),
        )  # fmt: skip
        yield Kpi(
            f"active_users_{window}_pct", "active_users_pct", window, PERCENT,
            f"Change of the {days}-day active users against the {days} days before, in percent. {PCT}",
            (f"{long} ({short}) Change",), (f"% change in {days} Day Active User",), (f"{word} active users change",),
        )  # fmt: skip
    yield Kpi(
        "active_users_last_month", "active_users", "last_month", COUNT,
        "Distinct end users who did something in the product in the last complete calendar month.", ("Last Month MAU",),
    )  # fmt: skip


def _nps_rolling() -> Iterator[Kpi]:
    for window, days in DAYS.items():
        last = f"the last {days} complete UTC days"
        yield Kpi(
            f"nps_score_{window}", "nps_score", window, SCORE,
            f"Percent of answers 9 and 10 minus percent of answers 0 to 6 in {last}, as a whole number; blank without an "
            "answer.",
            list_b=(f"{days} day NPS Score",),
        )  # fmt: skip
        yield Kpi(
            f"nps_responses_{window}", "nps_responses", window, COUNT,
            f"NPS answers in {last}; of one person and survey the latest counts.", list_b=(f"{days} day NPS Responses",),
        )  # fmt: skip
        yield Kpi(
            f"nps_score_{window}_pct", "nps_score_pct", window, PERCENT,
            f"Change of the {days}-day NPS score against the {days} days before, in percent; blank when either has no answer "
            "or the earlier score is 0.",
            list_b=(f"% change in {days} day NPS",),
        )  # fmt: skip
        yield Kpi(
            f"nps_score_{window}_prev", "nps_score", f"{window}_prev", SCORE,
            f"The NPS score of the {days} days before the last {days}; blank without an answer.",
            own_name=f"Previous {days} day NPS Score",
        )  # fmt: skip


def _nps_calendar() -> Iterator[Kpi]:
    for window, change, word in PERIODS:
        low, short = word.lower(), f"{word[0]}o{word[0]}"
        c_word = "Week" if word == "Week" else low
        yield Kpi(
            f"nps_score_{window}", "nps_score", window, SCORE,
            f"NPS score of the last complete calendar {low}; blank without an answer.",
            (f"Last {word} NPS Score",), (), (f"Last {c_word} NPS score",),
        )  # fmt: skip
        yield Kpi(
            f"nps_responses_{window}", "nps_responses", window, COUNT, f"NPS answers in the last complete calendar {low}.",
            (f"Last {word} NPS Responses",), (), (f"Last {c_word} NPS responses",),
        )  # fmt: skip
        yield Kpi(
            f"nps_score_{change}", "nps_score_delta", window, POINTS,
            f"NPS score of the last complete calendar {low} minus that of the {low} before, in points; blank when either has "
            "no answer.",
            (f"{short} NPS Score",), (), (f"{word} over {low} NPS score",),
        )  # fmt: skip
        yield Kpi(
            f"nps_responses_{change}", "nps_responses_pct", window, PERCENT,
            f"Change of the NPS answers of the last complete calendar {low} against the {low} before, in percent. {PCT}",
            (f"{short} NPS Responses",), (), (f"{word} over {low} NPS responses",),
        )  # fmt: skip


def _features() -> Iterator[Kpi]:
    for window, days in DAYS.items():
        word = ROLLING_WORD[window].lower()
        yield Kpi(
            f"feature_users_{window}", "feature_users", window, COUNT,
            f"Distinct end users who used the feature in the last {days} complete UTC days.",
            (), (f"Feature Users Last {days} Days",), FEATURE_C[window], of_feature=True,
        )  # fmt: skip
        yield Kpi(
            f"feature_users_{window}_pct", "feature_users_pct", window, PERCENT,
            f"Change of the {days}-day users of the feature against the {days} days before, in percent. {PCT}",
            (), (f"% change in {days} Day Feature Users",), (f"Feature usage {word} change",), of_feature=True,
        )  # fmt: skip
        yield Kpi(
            f"feature_events_{window}", "feature_events", window, COUNT,
            f"Events of the feature in the last {days} complete UTC days.",
            own_name=f"Feature Events Last {days} Days", of_feature=True,
        )  # fmt: skip


def _engagements() -> Iterator[Kpi]:
    yield Kpi(
        "engagements_active", "engagements_active", "", COUNT,
        "Engagements that are live now and that end users of this customer can see.", (), ("Active engagements count",),
    )  # fmt: skip
    yield Kpi(
        "engagements_total", "engagements_total", "", COUNT,
        "Distinct engagements that were ever shown to end users of this customer.", (), ("Number of engagements field",),
    )  # fmt: skip


KPIS: tuple[Kpi, ...] = (*_active(), *_nps_rolling(), *_nps_calendar(), *_features(), *_engagements())
BY_KEY = {each.key: each for each in KPIS}


def columns_for(features: Iterable[FeatureKpis]) -> list[Column]:
    """Every figure of a customer: the plain ones, then those of each feature."""
    plain = [Column(each.key, each) for each in KPIS if not each.of_feature]
    return plain + [
        Column(f"{each.key}{SEPARATOR}{feature.key}", each, feature) for feature in features for each in KPIS if each.of_feature
    ]


def keys_called(name: str, kpis: Sequence[Kpi] = KPIS) -> list[str]:
    """The keys that the reference calls so, in any of its lists; upper and lower case do not count."""
    wanted = name.strip().casefold()
    return [each.key for each in kpis if wanted in (listed.casefold() for listed in each.names)]
