"""What changed or cannot be read in Salesforce: drift, objects, mappings that leave something out."""

from django.urls import reverse

from integrations import attention
from integrations.models import MirrorObject
from project.needs_person.asking import Asker, Source
from project.needs_person.need import Need, Urgency, words_for

SHOWN = 8


def read(asker: Asker) -> list[Need]:
    """Three statements."""
    if not asker.may("operator", "product"):
        return []
    return [*_drifts(), *_objects(asker), *_mappings()]


def _drifts() -> list[Need]:
    return [
        Need(
            "mirror.drift", "mirror", Urgency.TODAY,
            f"{each['connection']}: {each['name']} has changed in Salesforce ({words_for(each['n'], 'change')})",
            reverse("integrations:mirror_object", kwargs={"pk": each["object"]}), "See what changed",
            "A field or the object that we use was removed, hidden or changed its type.", each["n"], each["since"],
            connection=each["connection"],
        )
        for each in attention.open_drifts()[:SHOWN]
    ]  # fmt: skip


def _objects(asker: Asker) -> list[Need]:
    found = []
    for item in attention.unread_objects(now=asker.now)[:SHOWN]:
        lost = item.state != MirrorObject.State.ACTIVE
        title = f"{item.org.name}: {item.name} {'cannot be read' if lost else 'was not read for more than a day'}"
        body = item.reason or ("" if lost else "What we show of it is as old as its last read.")
        found.append(Need("mirror.unread", "mirror", Urgency.NOW if lost else Urgency.TODAY, title,
                          reverse("integrations:mirror_object", kwargs={"pk": item.pk}), "Open", body, since=item.read_at,
                          connection=item.org.name))  # fmt: skip
    return found


def _mappings() -> list[Need]:
    found = []
    for mapping in attention.broken_mappings():
        url = reverse("integrations:mapping", kwargs={"org_pk": mapping.org_id, "entity": mapping.entity})
        aside = len(mapping.set_aside)
        what = f"leaves out {words_for(aside, 'field or rule', 'fields and rules')}"
        title = f"{mapping} {'has stopped' if mapping.paused_by_drift else what}"
        urgency = Urgency.NOW if mapping.paused_by_drift else Urgency.TODAY
        body = mapping.reason or "They no longer fit what Salesforce has; the others go on."
        found.append(Need("mirror.mapping", "product", urgency, title, url, "Fix the mapping", body, max(1, aside),
                          connection=mapping.org.name))  # fmt: skip
    return found


SOURCES = (Source("mirror", read, 3),)
