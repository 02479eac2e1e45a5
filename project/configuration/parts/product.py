"""Product experience: features, segments, engagements, health scores, and for each connection its KPIs and task rules."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from integrations.access import Refusal
from integrations.models import SalesforceOrg
from integrations.product.engagements import authoring as engagements
from integrations.product.engagements import rules as engagement_rules
from integrations.product.health import definitions as health
from integrations.product.kpis import choosing, defining
from integrations.product.kpis.rules import Wanted
from integrations.product.models import Engagement, Feature, HealthScore, KpiSettings, Segment, TaskRule
from integrations.product.segments import saving as segments
from integrations.product.segments.fieldtypes import MEMBERSHIP
from integrations.product.task_rules import definitions as task_rules
from integrations.sync.mapping.problems import Problem, ProblemsFound
from project.configuration.section import ONE, Entry, Part, Section, Work, flag, json_ready, plain, text, whole


class Features(Section):
    """Features of the product, by key."""

    place, label, keys, removable = ("features",), "Features", ("key",), True
    parts = {"name": text(), "active": flag(True), "as_kpi": flag(False), "rules": Part("list", [])}

    def read(self, work: Work) -> dict[str, Entry]:
        """All of them."""
        return {
            each.key: plain({"key": each.key, **{name: getattr(each, name) for name in self.parts}})
            for each in Feature.objects.order_by("key")
        }

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """Figures change with the next computation."""
        wanted = Wanted(key, entry["name"], json_ready(entry["rules"]), entry["active"], entry["as_kpi"])
        defining.save_feature(wanted, feature=Feature.objects.filter(key=key).first(), user=work.actor, now=work.now)

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """Unless a mapping pushes one of its figures."""
        defining.delete_feature(Feature.objects.get(key=key), user=work.actor, now=work.now)


class Segments(Section):
    """Segments by name. Conditions name other segments and connections by name, too."""

    place, label, removable = ("segments",), "Segments", True
    parts = {"entity": text("customer"), "description": text(), "conditions": Part("object", {"all": []})}

    def read(self, work: Work) -> dict[str, Entry]:
        """Those that are not archived."""
        rows = list(Segment.objects.filter(archived_at=None).order_by("name", "pk"))
        names, orgs = {each.pk: each.name for each in rows}, dict(SalesforceOrg.objects.values_list("pk", "name"))
        found = [
            {"name": each.name, "entity": str(each.entity), "description": each.description,
             "conditions": _renumbered(each.conditions, names, {str(pk): name for pk, name in orgs.items()})}
            for each in rows
        ]  # fmt: skip
        return {each["name"]: plain(each) for each in found}

    def renamed(self, given: Entry, renames: Mapping[str, str]) -> Entry:
        """Conditions on links of a connection follow it."""
        return {**given, "conditions": _renumbered(given["conditions"], {}, renames)} if "conditions" in given else given

    def in_order(self, entries: Sequence[tuple[str, Entry]]) -> list[tuple[str, Entry]]:
        """A segment after those that it names; a circle stays as it is and is refused."""
        left, done = dict(entries), list[tuple[str, Entry]]()
        while left:
            free = [key for key, entry in left.items() if not (_segments_in(entry["conditions"]) & left.keys()) - {key}]
            for key in free or list(left):
                done.append((key, left.pop(key)))
        return done

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """Counted anew by the next run."""
        found = Segment.objects.filter(name=key, archived_at=None).first()
        if found is not None and found.entity != entry["entity"]:
            raise ProblemsFound([Problem("entity", "fixed", f"is {found.entity} here and stays so; choose another name.")])
        numbers = dict(Segment.objects.filter(archived_at=None).values_list("name", "pk"))
        orgs = {name: str(pk) for pk, name in SalesforceOrg.objects.values_list("pk", "name")}
        tree = json_ready(_renumbered(entry["conditions"], numbers, orgs))
        about = {"entity": entry["entity"], "description": entry["description"]}
        segments.save_segment(found, name=key, conditions=tree, user=work.actor, now=work.now, **about)

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """It is archived: what uses it goes on."""
        segments.archive(Segment.objects.get(name=key, archived_at=None), user=work.person(), now=work.now)


def _renumbered(node: Any, segments_: Mapping[Any, Any], orgs: Mapping[str, str]) -> Any:
    """Conditions with other words for segments and connections; unknown ones stay."""
    if isinstance(node, list):
        return [_renumbered(each, segments_, orgs) for each in node]
    if not isinstance(node, dict):
        return node
    if "field" not in node:
        return {name: _renumbered(each, segments_, orgs) for name, each in node.items()}
    field, value = str(node["field"]), node.get("value")
    name, at, org = field.partition("@")
    changed = {**node, "field": f"{name}@{orgs.get(org, org)}"} if at else dict(node)
    if _names_segment(field) and isinstance(value, str | int) and value in segments_:
        changed["value"] = segments_[value]
    return changed


def _names_segment(field: str) -> bool:
    return field.removeprefix("customer.") == MEMBERSHIP


def _segments_in(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*(_segments_in(each) for each in node)) if node else set()
    if not isinstance(node, dict):
        return set()
    if "field" in node:
        value = node.get("value")
        return {value} if _names_segment(str(node["field"])) and isinstance(value, str) else set()
    return _segments_in(list(node.values()))


class Engagements(Section):
    """Messages, surveys and guide links that have not ended."""

    place, label, removable = ("engagements",), "Engagements", True
    parts = {
        "kind": text("message"), "title": text(), "body": text(), "button_label": text(), "button_url": text(),
        "survey": text(), "segment": text(None), "url_match": text(), "frequency": text("until_closed"), "priority": whole(0),
        "starts_at": text(None), "ends_at": text(None), "state": text("draft"),
    }  # fmt: skip

    def read(self, work: Work) -> dict[str, Entry]:
        """All that have not ended."""
        rows = Engagement.objects.exclude(state=Engagement.State.ENDED).select_related("segment").order_by("name")
        names = [name for name in self.parts if name != "segment"]
        found = [
            {"name": each.name, **{name: getattr(each, name) for name in names}, "segment": each.segment and each.segment.name}
            for each in rows
        ]
        return {each["name"]: plain({"name": each["name"], **{name: each[name] for name in self.parts}}) for each in found}

    def usual(self) -> Entry:
        """The usual frequency is the model's."""
        return {**super().usual(), "frequency": Engagement.Frequency.UNTIL_CLOSED.value}

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """A draft first, then step by step to the state that is wanted."""
        values = {name: value for name, value in entry.items() if name != "state"}
        values["segment"] = find_segment(entry["segment"])
        values |= {name: _moment(name, entry[name]) for name in ("starts_at", "ends_at")}
        found = Engagement.objects.filter(name=key).first()
        if found is None:
            found = engagements.create_engagement(values, user=work.actor, now=work.now)
        else:
            found = engagements.update_engagement(found, values, user=work.actor, now=work.now)
        for state in _way(found.state, entry["state"]):
            found = engagements.set_state(found, state, user=work.actor, now=work.now)

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """A draft that nobody saw is deleted, any other one ends."""
        found = Engagement.objects.get(name=key)
        if found.state == Engagement.State.DRAFT and not found.views.exists():
            engagements.delete_engagement(found, user=work.actor)
        else:
            for state in _way(found.state, Engagement.State.ENDED):
                found = engagements.set_state(found, state, user=work.actor, now=work.now)


def _way(state: str, wanted: str) -> list[str]:
    """The shortest way from one state to another; straight on, to be refused, when there is none."""
    if state == wanted:
        return []
    ways = [[each] for each in engagement_rules.MOVES[state]]
    for way in ways:  # grows while it is walked through; a state never comes twice in one way
        if way[-1] == wanted:
            return way
        ways += [[*way, each] for each in engagement_rules.MOVES[way[-1]] if each not in way and each != state]
    return [wanted]


def find_segment(name: str | None) -> Segment | None:
    """The segment of that name; ProblemsFound when there is none."""
    if name is None:
        return None
    found = Segment.objects.filter(name=name).order_by("archived_at", "pk").first()
    if found is None:
        raise ProblemsFound([Problem("segment", "unknown", f"There is no segment called {name[:120]}.")])
    return found


def _moment(name: str, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ProblemsFound([Problem(name, "moment", "must be an instant with its zone, such as 2027-01-31T08:00:00Z.")])
    return found


class HealthScores(Section):
    """Health scores by name."""

    place, label, removable = ("health_scores",), "Health scores", True
    parts = {
        "key": text("health_score"), "connection": text(None), "parts": Part("list", []), "good_from": whole(70),
        "fair_from": whole(40), "least_known": whole(50), "state": text("active"),
    }  # fmt: skip

    def read(self, work: Work) -> dict[str, Entry]:
        """All of them."""
        found = {}
        for each in HealthScore.objects.select_related("org").order_by("name"):
            plainly = {name: getattr(each, name) for name in self.parts if name != "connection"}
            entry = {"name": each.name, **plainly, "connection": each.org and each.org.name}
            found[each.name] = plain({name: entry[name] for name in ("name", *self.parts)})
        return found

    def renamed(self, given: Entry, renames: Mapping[str, str]) -> Entry:
        """The connection whose cases count."""
        name = given.get("connection")
        return {**given, "connection": renames.get(name, name)} if name else given

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """It counts from the next computation on."""
        plainly = {name: value for name, value in entry.items() if name not in ("connection", "state", "parts")}
        draft = health.Draft(**plainly, org=find_org(entry["connection"]), parts=json_ready(entry["parts"]))
        found = HealthScore.objects.filter(name=key).first()
        found = health.save_score(found, draft, user=work.actor, now=work.now)
        health.set_state(found, entry["state"], user=work.actor, now=work.now)

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """The attribute keeps its last values."""
        health.delete_score(HealthScore.objects.get(name=key), user=work.actor, now=work.now)


def find_org(name: str | None) -> SalesforceOrg | None:
    """The connection of that name; ProblemsFound when there is none."""
    if name is None:
        return None
    found = SalesforceOrg.objects.filter(name=name).first()
    if found is None:
        raise ProblemsFound([Problem("connection", "unknown", f"There is no connection called {name[:80]}.")])
    return found


class Kpis(Section):
    """As of when KPIs are counted for a connection, and in which time zone."""

    place, label, form, per_org = ("kpis",), "KPIs", ONE, True
    parts = {"as_of": text("day"), "time_zone": text("UTC")}

    def read(self, work: Work) -> dict[str, Entry]:
        """The choice, or what is usual."""
        found = KpiSettings.objects.filter(org=work.place).first()
        return {"": {name: str(getattr(found, name)) for name in self.parts} if found else dict(choosing.USUAL)}

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """Pushes from now on follow it."""
        choosing.choose_settings(work.place, **entry, user=work.actor)


class TaskRules(Section):
    """Rules that make tasks for customer success managers."""

    place, label, per_org, removable, may_hold_ids = ("task_rules",), "Task rules", True, True, True
    parts = {
        "segment": text(None), "match": text("all"), "conditions": Part("list", []), "subject": text(), "description": text(),
        "priority": text("Normal"), "status": text("Not Started"), "due_in_days": whole(3), "owner": text("account"),
        "owner_user": Part("object", None, nullable=True), "cooldown_days": whole(30), "most_a_day": whole(100),
        "state": text("draft"),
    }  # fmt: skip

    def read(self, work: Work) -> dict[str, Entry]:
        """Those that are not archived."""
        found = {}
        rows = TaskRule.objects.filter(org=work.place).exclude(state=TaskRule.State.ARCHIVED).select_related("segment")
        for each in rows.order_by("name"):
            plainly = {name: getattr(each, name) for name in self.parts if name not in ("segment", "owner_user")}
            entry = {**plainly, "segment": each.segment and each.segment.name, "owner_user": each.owner_id or None}
            found[each.name] = {"name": each.name, **plain({name: entry[name] for name in self.parts})}
        return found

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """What it made already stays as it is."""
        left_out = ("segment", "owner_user", "state", "conditions")
        plainly = {name: value for name, value in entry.items() if name not in left_out}
        conditions = [{name: _words(value) for name, value in each.items()} if isinstance(each, dict) else each
                      for each in entry["conditions"]]  # fmt: skip
        draft = task_rules.Draft(
            org=work.place, **plainly, segment=find_segment(entry["segment"]), conditions=conditions,
            owner_id=entry["owner_user"] or "",
        )  # fmt: skip
        live = TaskRule.objects.filter(org=work.place, name=key).exclude(state=TaskRule.State.ARCHIVED)
        rule = task_rules.save_rule(live.first(), draft, user=work.actor, now=work.now)
        if rule.state != entry["state"]:
            if entry["state"] == TaskRule.State.ARCHIVED:
                raise Refusal("archived", "Leave the rule out and apply with --prune to archive it.")
            task_rules.set_state(rule, entry["state"], user=work.actor, now=work.now)

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """It is archived."""
        live = TaskRule.objects.filter(org=work.place, name=key).exclude(state=TaskRule.State.ARCHIVED)
        task_rules.set_state(live.get(), TaskRule.State.ARCHIVED, user=work.actor, now=work.now)


def _words(value: Any) -> Any:
    """Numbers as text, as conditions of rules have them."""
    ready = json_ready(value)
    return str(ready) if isinstance(ready, int | float) and not isinstance(ready, bool) else ready


FIRST, SECTIONS = (Features(),), (HealthScores(), Segments(), Engagements(), Kpis(), TaskRules())
