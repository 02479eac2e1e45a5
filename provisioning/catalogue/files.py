"""The catalogue as a YAML file: kept in version control, reviewed, carried to another installation.

`dump` writes what is on sale (drafts of what was never published say `draft: true`); `load` brings the catalogue to what a file
says. It never deletes and never touches what the file does not name. A plan whose contents differ gets a new version, so nobody
loses anything by it, and loading the same file again changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.access import Person, Refusal
from provisioning.catalogue import archiving, authoring, checking, finding, yaml_text
from provisioning.catalogue.checking import CatalogueProblems, Problem
from provisioning.catalogue.contents import Contents, Line, differences, is_same
from provisioning.models import Feature, Offer, OfferVersion, Product

FORMAT = 1
SECTIONS = {"products": checking.PRODUCT, "features": checking.FEATURE, "plans": checking.PLAN, "addons": checking.ADDON}
SINGULAR = {"products": "product", "features": "feature", "plans": "plan", "addons": "add-on"}
COMMON = ("key", "name", "description", "archived")
OFFER = ("product", "per_seat", "trial_days", "price", "entitlements", "note", "draft")
PARTS = {
    "products": COMMON, "features": (*COMMON, "kind", "unit", "event_name"), "plans": (*COMMON, *OFFER),
    "addons": (*COMMON, *OFFER),
}  # fmt: skip
PRICE = ("amount", "currency", "months")
MOST_ENTRIES = 2_000


@dataclass(frozen=True, slots=True)
class Change:
    """What a file does to one entry: created, changed, published, draft, archived, restored or unchanged."""

    path: str
    key: str
    action: str
    words: tuple[str, ...] = ()


@dataclass
class Report:
    """Everything that loading did, or would do; nothing at all is saved when there are problems."""

    changes: list[Change] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def count(self, action: str) -> int:
        """How many entries ended so."""
        return sum(1 for each in self.changes if each.action == action)

    @property
    def is_quiet(self) -> bool:
        """Whether the catalogue is as the file says already."""
        return not self.problems and all(each.action == "unchanged" for each in self.changes)


class _Undo(Exception):
    """Ends a dry run, or a load with problems: nothing of it stays."""


# --- out --------------------------------------------------------------------------------------------------------------------


def dump() -> str:
    """The whole catalogue as YAML."""
    return yaml_text.write(as_body())


def as_body() -> dict[str, Any]:
    """The whole catalogue. Entries and lines are in the order of their ids, so that two files can be compared."""
    offers = list(Offer.objects.select_related("product").order_by("key"))
    body: dict[str, Any] = {
        "format": FORMAT,
        "products": [_entry(each) for each in Product.objects.order_by("key")],
        "features": [_feature(each) for each in Feature.objects.order_by("key")],
    }
    latest = finding.latest_of_all(offers)
    drafts = {each.offer_id: each for each in finding.versions_with_contents().filter(published_at=None)}
    for section, kind in (("plans", checking.PLAN), ("addons", checking.ADDON)):
        body[section] = [_offer(each, latest, drafts) for each in offers if each.kind == kind]
    return body


def _entry(entry: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"key": entry.key, "name": entry.name}
    if entry.description:
        told["description"] = entry.description
    if entry.archived_at is not None:
        told["archived"] = True
    return told


def _feature(feature: Feature) -> dict[str, Any]:
    told = {**_entry(feature), "kind": feature.kind, "unit": feature.unit, "event_name": feature.event_name}
    return {name: value for name, value in told.items() if value != ""}


def _offer(offer: Offer, latest: Mapping[int, OfferVersion], drafts: Mapping[int, OfferVersion]) -> dict[str, Any]:
    told = {**_entry(offer), "product": offer.product.key}
    version = latest.get(offer.pk)
    if version is None:
        told["draft"] = True
        version = drafts.get(offer.pk)
    return {**told, **contents_as_file(finding.contents_of(version), version.note)} if version is not None else told


def contents_as_file(contents: Contents, note: str = "") -> dict[str, Any]:
    """What a version gives, as the file has it: what is not given is left out."""
    told: dict[str, Any] = {"per_seat": contents.per_seat, "trial_days": contents.trial_days}
    if contents.price is not None:
        price = {"amount": contents.price, "currency": contents.currency, "months": contents.period_months}
        told["price"] = {name: value for name, value in price.items() if value is not None}
    told |= {"note": note, "entitlements": [_line(each) for each in contents.lines]}
    return {name: value for name, value in told.items() if value not in (None, False, "")}


def _line(line: Line) -> dict[str, Any]:
    told = {"feature": line.feature, "limit": line.limit, "unlimited": line.unlimited, "per_seat": line.per_seat,
            "soft": line.soft, "reset": line.reset}  # fmt: skip
    return {name: value for name, value in told.items() if value not in (None, False, "") or isinstance(value, Decimal)}


# --- in ---------------------------------------------------------------------------------------------------------------------


def load(text: str | bytes, *, actor: Person | None, now: datetime | None = None, dry_run: bool = False) -> Report:
    """Bring the catalogue to what the file says, all of it or, when anything is wrong, nothing. `dry_run` only tells."""
    report = Report()
    now = now or timezone.now()
    try:
        body = yaml_text.read(text)
    except yaml_text.BadYaml as bad:
        report.problems.append(Problem("", str(bad)))
        return report
    entries = _entries(body, report)
    if report.problems and not entries:
        return report
    try:
        with transaction.atomic():
            loader = _Loader(report, actor, now)
            for section, number, given in entries:
                loader.load(section, f"{section}[{number}]", given)
            loader.archive_last()
            if dry_run or report.problems:
                raise _Undo
    except _Undo:
        pass
    return report


def _entries(body: object, report: Report) -> list[tuple[str, int, Mapping[str, Any]]]:
    """Every entry of the file, products and features before what names them."""
    if not isinstance(body, Mapping):
        report.problems.append(Problem("", "The file must have products, features, plans or addons at its top."))
        return []
    if body.get("format", FORMAT) != FORMAT:
        report.problems.append(Problem("format", f"This is format {body['format']!r}; {FORMAT} is the one that can be read."))
    for name in body:
        if name not in SECTIONS and name != "format":
            report.problems.append(Problem(str(name)[:80], f"is not known; {', '.join(SECTIONS)} are."))
    found, seen = [], set[str]()
    for section in SECTIONS:
        rows = body.get(section)
        if rows is None:
            continue
        if not isinstance(rows, Sequence) or isinstance(rows, str | bytes) or len(rows) > MOST_ENTRIES:
            report.problems.append(Problem(section, f"must be a list of at most {MOST_ENTRIES:,} entries."))
            continue
        for number, given in enumerate(rows):
            problems = _shape(section, given, seen)
            report.problems += checking.at(f"{section}[{number}]", problems)
            if not problems:
                found.append((section, number, given))
    return found


def _shape(section: str, given: object, seen: set[str]) -> list[Problem]:
    if not isinstance(given, Mapping):
        return [Problem("", "must be an object with a key and a name.")]
    parts = PARTS[section]
    problems = [
        Problem(str(name)[:80], f"is not known; {', '.join(parts)} are.") for name in given if name not in parts
    ]  # fmt: skip
    problems += checking.check_key(SECTIONS[section], given.get("key"))
    flags = [name for name in ("archived", "draft") if not isinstance(given.get(name, False), bool)]
    problems += [Problem(name, "is true or false.") for name in flags]
    if (key := str(given.get("key"))) in seen:
        problems.append(Problem("key", f"{key} stands in the file twice."))
    seen.add(key)
    return problems


class _Loader:
    """Loads one entry after the other inside the transaction; problems are gathered under the path of their entry."""

    def __init__(self, report: Report, actor: Person | None, now: datetime) -> None:
        self.report, self.actor, self.now = report, actor, now
        self._to_archive: list[tuple[str, finding.Entry]] = []

    def load(self, section: str, path: str, given: Mapping[str, Any]) -> None:
        """One entry; what is wrong with it stops the whole file, but not the look at the others."""
        try:
            with transaction.atomic():
                self._load(section, path, given)
        except CatalogueProblems as bad:
            self.report.problems += checking.at(path, bad.problems)
        except Refusal as refusal:
            self.report.problems.append(Problem(path, refusal.message))

    def _load(self, section: str, path: str, given: Mapping[str, Any]) -> None:
        kind, key = SECTIONS[section], str(given["key"])
        before = finding.by_key(kind, key)
        old = None if before is None else {name: getattr(before, name) for name in _words(section)}
        if before is not None and before.archived_at is not None and not given.get("archived", False):
            archiving.restore(before, actor=self.actor, now=self.now)
            self._tell(path, key, "restored", ())
        entry = self._save(section, given)
        changed = _changed(old, entry)
        action = "created" if old is None else "changed" if changed else "unchanged"
        told = self._version(entry, given) if isinstance(entry, Offer) else ("", ())
        self._tell(path, key, told[0] if action == "unchanged" and told[0] else action, (*changed, *told[1]))
        if given.get("archived", False) and entry.archived_at is None:
            self._to_archive.append((path, entry))

    def _save(self, section: str, given: Mapping[str, Any]) -> Any:
        words: dict[str, Any] = {"name": given.get("name", ""), "description": _text(given.get("description"))}
        about: dict[str, Any] = {"actor": self.actor, "now": self.now}
        if section == "products":
            return authoring.save_product(given["key"], **words, **about)
        if section == "features":
            own = {"unit": _text(given.get("unit")), "event_name": _text(given.get("event_name"))}
            return authoring.save_feature(given["key"], kind=given.get("kind", ""), **words, **own, **about)
        return authoring.save_offer(given["key"], kind=SECTIONS[section], product=given.get("product", ""), **words, **about)

    def _version(self, offer: Offer, given: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
        """Publish what differs from what is sold, or keep it as a draft; a person's own draft is left as it is."""
        wanted = contents_from_file(given)
        note = _text(given.get("note"))
        contents = authoring.read_contents(offer, wanted, note=note)
        current, draft = finding.published_of(offer), finding.draft_of(offer)
        sold = finding.contents_of(current) if current is not None else None
        words = tuple(each.words for each in differences(sold, contents))
        if given.get("draft", False):
            if draft is not None and is_same(finding.contents_of(draft), contents):
                return "", ()
            authoring.save_draft(offer, **wanted, note=note, actor=self.actor, now=self.now)
            return "draft", words
        if sold is not None and is_same(sold, contents):
            return "", ()
        publish_contents(offer, contents, note=note, actor=self.actor, now=self.now)
        return "published", words

    def archive_last(self) -> None:
        """After everything else: plans and add-ons first, then what they needed."""
        for path, entry in reversed(self._to_archive):
            try:
                archiving.archive(entry, actor=self.actor, now=self.now)
                self._tell(path, entry.key, "archived", ())
            except Refusal as refusal:
                self.report.problems.append(Problem(path, refusal.message))

    def _tell(self, path: str, key: str, action: str, words: tuple[str, ...]) -> None:
        self.report.changes.append(Change(path, key, action, words))


def publish_contents(offer: Offer, contents: Contents, *, note: str, actor: Person | None, now: datetime) -> OfferVersion:
    """A new published version with these contents. A draft that somebody works on stays beside it."""
    with transaction.atomic():
        offer = authoring.lock(offer)
        kept = finding.draft_of(offer)
        parked = authoring.as_given(finding.contents_of(kept), kept.note) if kept is not None else None
        draft = authoring.save_draft(offer, **{**authoring.as_given(contents, note), "actor": actor, "now": now})
        version = authoring.publish(draft, actor=actor, now=now)
        if parked is not None:
            authoring.save_draft(offer, **{**parked, "actor": actor, "now": now})
    return version


def contents_from_file(given: Mapping[str, Any]) -> dict[str, Any]:
    """The terms of an entry as `save_draft` takes them; CatalogueProblems for a price that is none."""
    price = given.get("price")
    if price is not None and (not isinstance(price, Mapping) or (unknown := [each for each in price if each not in PRICE])):
        words = f"{unknown[0]} is not known" if isinstance(price, Mapping) else "must be an object"  # pyright: ignore
        raise CatalogueProblems([Problem("price", f"{words}; write {{amount: 9.90, currency: USD, months: 1}}.")])
    price = price or {}
    entitlements = given.get("entitlements")
    return {
        "per_seat": given.get("per_seat", False), "trial_days": given.get("trial_days"), "price": price.get("amount"),
        "currency": price.get("currency", ""), "period_months": price.get("months"),
        "entitlements": [] if entitlements is None else entitlements,
    }  # fmt: skip


def _changed(old: Mapping[str, str] | None, entry: Any) -> tuple[str, ...]:
    """What differs in the words of an entry."""
    pairs = [(name, was, getattr(entry, name)) for name, was in (old or {}).items()]
    return tuple(f"{name}: {was or 'nothing'} → {now or 'nothing'}" for name, was, now in pairs if was != now)


def _words(section: str) -> tuple[str, ...]:
    return ("name", "description", "kind", "unit", "event_name") if section == "features" else ("name", "description")


def _text(value: Any) -> Any:
    """Nothing is an empty text; numbers written as a name or unit stay what they are and are refused by the checks."""
    return "" if value is None else value
