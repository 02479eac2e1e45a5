"""Product events that are not stored, cannot be read, or were put aside."""

from django.urls import reverse

from integrations.product import attention
from integrations.product.ingest.accept import waiting
from integrations.product.models import QuarantinedEvent
from project.needs_person.asking import Asker, Source
from project.needs_person.need import Need, Urgency, words_for


def read(asker: Asker) -> list[Need]:
    """One statement."""
    if not asker.may("operator", "product"):
        return []
    found, url = [], reverse("product:data")
    held = waiting()
    buffer = attention.buffer_in_need(held, now=asker.now)
    if buffer is not None:
        body = f"The buffer is {buffer.fill} % full. Nothing is lost; senders are told to wait when it is full."
        title = words_for(buffer.waiting.rows, "product event waits", "product events wait") + " to be stored"
        found.append(Need("product.buffer", "product", Urgency.NOW, title, url, "Look why", body, buffer.waiting.rows,
                          buffer.waiting.since))  # fmt: skip
    if held.broken:
        title = words_for(held.broken, "request of events") + " cannot be read"
        body = "They are kept, and wait for somebody to look."
        found.append(Need("product.broken", "product", Urgency.TODAY, title, url, "Open", body, held.broken, held.broken_since))
    return found


def read_put_aside(asker: Asker) -> list[Need]:
    """Kept by the worker: the table can be large."""
    found = []
    for each in attention.put_aside():
        reason = QuarantinedEvent.Reason(each["reason"])
        title = f"{words_for(each['n'], 'event is', 'events are')} in quarantine: {reason.label.lower()}"
        found.append(Need("product.quarantine", "product", Urgency.TODAY, title, f"{reverse('product:data')}#quarantine",
                          "Look and release", "They count nowhere until then.", each["n"], each["since"]))  # fmt: skip
    return found


SOURCES = (Source("product events", read, 1), Source("quarantine", read_put_aside, 1, kept=True))
