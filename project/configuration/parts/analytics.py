"""Analytics of a connection: where attributes stand in Salesforce, and how results are made."""

from analytics.attributes import authoring
from analytics.attributes.body import DEFAULTS, as_json, fields_needed
from analytics.attributes.reading import read_body
from analytics.attributes.seeing import describe_objects
from analytics.connecting import starting
from project.configuration.section import ONE, Entry, Part, Section, Work, flag, json_ready, plain, text, whole


class AnalyticsSettings(Section):
    """What makes results; whether it was started is no setting."""

    place, label, form, per_org = ("analytics", "settings"), "Analytics settings", ONE, True
    parts = {
        "sync_hour": whole(2), "linking": text("both"), "preference": text("field"), "grace_days": whole(30),
        "currency": text(), "hash_contacts": flag(False),
    }  # fmt: skip

    def read(self, work: Work) -> dict[str, Entry]:
        """The settings, or those that are usual."""
        found = starting.settings_for(work.place)
        return {"": plain({name: getattr(found, name) for name in self.parts})}

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """From the next sync on."""
        starting.change_settings(work.place, dict(entry), actor=work.actor, now=work.now)


class AttributeMap(Section):
    """The attribute map in force. Which optional fields an org has is found out anew."""

    place, label, form, per_org = ("analytics", "map"), "Attribute map", ONE, True
    asks_salesforce = may_hold_ids = True
    parts = {"attributes": Part("object", {}), "settings": Part("object", {})}

    def read(self, work: Work) -> dict[str, Entry]:
        """Attributes that have a source; nothing while nobody saved a map."""
        found = authoring.current_map(work.place)
        if found is None:
            return {}
        data = as_json(found[0])
        mapped = {name: each for name, each in data["attributes"].items() if each is not None}
        return {"": plain({"attributes": mapped, "settings": data["settings"]})}

    def ask_ahead(self, key: str, entry: Entry, work: Work) -> None:
        """The objects that the map names."""
        describe_objects(work.place, fields_needed(read_body(json_ready(entry))))

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """The next version, checked against the org."""
        data = json_ready({**entry, "settings": {**DEFAULTS, **entry["settings"]}})
        authoring.save_map(work.place, read_body(data), actor=work.actor, now=work.now)


SECTIONS = (AnalyticsSettings(), AttributeMap())
