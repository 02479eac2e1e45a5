"""Configuration that differs from the file in force."""

from django.urls import reverse

from integrations.models import AppliedConfiguration
from project.configuration.applying import drift_of
from project.needs_person.asking import Asker, Source
from project.needs_person.need import Need, Urgency, words_for

NAMED = 3


def read(asker: Asker) -> list[Need]:
    """Kept by the worker: every section of the file is read."""
    last = AppliedConfiguration.objects.first()
    found = drift_of(last, now=asker.now) if last is not None else []
    if last is None or not found:
        return []
    names = ", ".join(f"{each.line.section.title} {each.line.key}".strip() for each in found[:NAMED])
    title = f"{words_for(len(found), 'setting differs', 'settings differ')} from the configuration file"
    return [Need("configuration.drift", "configuration", Urgency.TODAY, title, reverse("configuration"), "Compare",
                 f"{names}{' …' if len(found) > NAMED else ''}. Apply the file again, or export a new one.", len(found),
                 last.at, role="admin")]  # fmt: skip


SOURCES = (Source("configuration", read, 200, kept=True),)
