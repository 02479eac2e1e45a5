"""Presets: a first map from what an org has (FZ-D2, FZ-D3). Pure: described objects in, a map with a note per attribute out.

Only fields that exist and can be read are chosen. Where no rule of the reference names a field, names and types decide, and the
note says that it is a guess.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from analytics.attributes import guessing, surveys, transactions
from analytics.attributes.body import ACCOUNT, DEFAULTS, MapBody, Source, Step, Where
from analytics.attributes.catalogue import BY_KEY, CATALOGUE
from analytics.attributes.chosen import Chosen
from analytics.attributes.guessing import best, campaign_state_of
from analytics.attributes.paths import choose_paths
from integrations.salesforce.describe import ObjectInfo

PRESETS: dict[str, str] = {
    "standard_sales": "Standard sales", "orders_assets": "Orders and assets", "cpq": "CPQ", "custom": "Custom",
}  # fmt: skip
ABOUT: dict[str, str] = {
    "standard_sales": "Won opportunities and their products are the transactions.",
    "orders_assets": "Activated orders and their products, or assets, are the transactions.",
    "cpq": "Subscriptions of Salesforce CPQ are the transactions.",
    "custom": "A custom object for subscriptions is looked for; what is not found you choose yourself.",
}
STANDARD = (
    ACCOUNT, "Contact", "Lead", "Opportunity", "OpportunityLineItem", "Product2", "Contract", "Order", "OrderItem", "Asset",
    "Case", "Campaign", "CampaignMember", "SBQQ__Subscription__c",
)  # fmt: skip
"""Objects that presets look at, besides custom ones whose name says survey or subscription."""
GUESSED = ("seats", "trial_start", "trial_end", "paid_start", "churn_date", "upsell_date", "downgrade_date", "renewal_date",
           "winback_date", "plan", "linking_id")  # fmt: skip
"""Attributes of accounts without a usual field (FZ-D3): looked for by name and type."""
FOUND, GUESS, MISSING, WRONG_TYPE = "found", "guess", "missing", "wrong_type"


@dataclass(frozen=True, slots=True)
class Note:
    """What a preset did about one attribute. `state`: found, guess, missing or wrong_type."""

    state: str
    words: str


@dataclass(frozen=True)
class Filled:
    """A map that a preset made, with a note for every attribute."""

    preset: str
    body: MapBody
    notes: Mapping[str, Note] = field(default_factory=dict)


def choose(preset: str, objects: Mapping[str, ObjectInfo], *, ours: Iterable[str] = ()) -> Filled:
    """The map that a preset makes of these objects. `ours`: names of fields that we fill ourselves, which say nothing new.

    KeyError for an unknown preset.
    """
    PRESETS[preset]
    seen = {name: _without(info, ours) for name, info in objects.items()}
    filler = _Filler(seen)
    filler.accounts()
    settings = filler.add_group(transactions.choose(preset, seen))
    filler.add_group(surveys.choose(seen))
    filler.tickets()
    filler.campaigns()
    filler.note_the_rest()
    body = MapBody({each.key: filler.found.get(each.key) for each in CATALOGUE}, {**DEFAULTS, **settings})
    return Filled(preset, body, filler.notes)


def wants(name: str, label: str, *, custom: bool) -> bool:
    """Whether a preset must see this object to choose."""
    if name in STANDARD:
        return True
    return custom and guessing.is_named((name, label), (*guessing.SURVEY, *guessing.SUBSCRIPTION))


def _without(info: ObjectInfo, ours: Iterable[str]) -> ObjectInfo:
    hidden = {name.lower() for name in ours}
    kept = tuple(each for each in info.fields if f"{info.name}.{each.name}".lower() not in hidden)
    return replace(info, fields=kept) if len(kept) != len(info.fields) else info


class _Filler:
    """Chooses attribute by attribute and remembers why."""

    def __init__(self, objects: Mapping[str, ObjectInfo]) -> None:
        self.objects = objects
        self.found: dict[str, Source] = {}
        self.notes: dict[str, Note] = {}

    def put(self, key: str, source: Source, *, guess: bool = False, words: str = "") -> None:
        self.found[key] = source
        text = words or f"{source.holder}.{', '.join(source.fields)}"
        self.notes[key] = Note(GUESS, f"Guessed by name and type: {text}.") if guess else Note(FOUND, f"{text}.")

    def has(self, name: str, *fields: str) -> bool:
        info = self.objects.get(name)
        return info is not None and info.queryable and all(info.field(each) is not None for each in fields)

    # --- accounts ---

    def accounts(self) -> None:
        self._start()
        if self.has(ACCOUNT, "Industry"):
            self.put("industry", Source(ACCOUNT, ("Industry",)))
        places = tuple(name for name in ("BillingState", "BillingCountry") if self.has(ACCOUNT, name))
        if places:
            self.put("region", Source(ACCOUNT, places))
        self._source()
        for key in GUESSED:
            self._guess(key)

    def _start(self) -> None:
        if not self.has(ACCOUNT, "CreatedDate"):
            return
        created = Source(ACCOUNT, ("CreatedDate",))
        if self.has("Opportunity", "AccountId", "CloseDate", "IsWon"):
            self.put(
                "started_on", self._first_won("CloseDate", created), words="First won opportunity's CloseDate, else CreatedDate"
            )
        else:
            self.put("started_on", created)

    def _source(self) -> None:
        own = Source(ACCOUNT, ("AccountSource",)) if self.has(ACCOUNT, "AccountSource") else None
        if self.has("Opportunity", "AccountId", "CloseDate", "IsWon", "LeadSource"):
            words = "LeadSource of the first won opportunity" + (", else AccountSource" if own else "")
            self.put("source", self._first_won("LeadSource", own), words=words)
        elif own is not None:
            self.put("source", own)

    def _first_won(self, name: str, otherwise: Source | None) -> Source:
        won, path = Where("IsWon", "=", ("true",)), (Step("AccountId", ACCOUNT),)
        return Source("Opportunity", (name,), (won,), path=path, pick="first", order_by="CloseDate", otherwise=otherwise)

    def _guess(self, key: str) -> None:
        info = self.objects.get(ACCOUNT)
        chosen = best(info, key)
        if chosen is not None:
            self.put(key, Source(ACCOUNT, (chosen.name,)), guess=True)
        elif reason := guessing.wrong_type(info, key):
            self.notes[key] = Note(WRONG_TYPE, reason)

    # --- record groups ---

    def add_group(self, chosen: Chosen) -> dict[str, Any]:
        """Take over a record group; gives the settings that come with it."""
        for key, source in chosen.sources.items():
            self.put(key, source, guess=key in chosen.guessed)
        for key, reason in chosen.wrong.items():
            if key not in self.found:
                self.notes[key] = Note(WRONG_TYPE, reason)
        return dict(chosen.settings)

    def tickets(self) -> None:
        paths = choose_paths(self.objects, "Case") if self.has("Case", "CreatedDate") else None
        if paths is None:
            return
        for key, name in (("ticket_created", "CreatedDate"), ("ticket_type", "Type"), ("ticket_closed", "ClosedDate")):
            if self.has("Case", name):
                self.put(key, Source("Case", (name,), path=paths[0], other_path=paths[1]))

    def campaigns(self) -> None:
        member, campaign = "CampaignMember", (Step("CampaignId", "Campaign"),)
        paths = choose_paths(self.objects, member) if self.has(member, "CampaignId") and self.has("Campaign") else None
        if paths is None:
            return

        def of(name: str, otherwise: Source | None = None) -> Source:
            return Source(member, (name,), path=paths[0], other_path=paths[1], of=campaign, otherwise=otherwise)

        for key, name in (("campaign_name", "Name"), ("campaign_type", "Type")):
            if self.has("Campaign", name):
                self.put(key, of(name))
        made = Source(member, ("CreatedDate",), path=paths[0], other_path=paths[1])
        if self.has("Campaign", "StartDate"):
            self.put("campaign_date", of("StartDate", made), words="Campaign.StartDate, else when the member was added")
        touched = best(self.objects.get(member), "touched", as_attribute="touch_date")
        if touched is not None:
            self.put("touch_date", Source(member, (touched.name,), path=paths[0], other_path=paths[1]), guess=True)
        status = self.objects[member].field("Status")
        if status is not None:
            values = {value: campaign_state_of(value) for value in status.active_values}
            self.put("campaign_state", Source(member, ("Status",), values=values, path=paths[0], other_path=paths[1]),
                     words="CampaignMember.Status, through a value table")  # fmt: skip

    # --- the end ---

    def note_the_rest(self) -> None:
        for each in CATALOGUE:
            if each.key in self.notes:
                continue
            if each.kind == "personal":
                words = "Personal data is read only if you map it."
            elif each.derived:
                words = "No field found; it is derived from the transactions."
            else:
                words = "No field found; choose one if the org has it."
            self.notes[each.key] = Note(MISSING, words)


def missing_of(filled: Filled) -> list[str]:
    """Labels of the reference's attributes that were not found."""
    return [BY_KEY[key].label for key, note in filled.notes.items() if note.state in (MISSING, WRONG_TYPE) and BY_KEY[key].ref]
