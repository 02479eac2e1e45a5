"""What waits at the one door to Salesforce: questions of the guard, rows that only a person can cure, edits by people."""

from collections.abc import Sequence
from urllib.parse import urlencode

from django.urls import reverse

from integrations import attention
from integrations.models import OutboxRow, OutboxTarget
from integrations.sync import guard
from integrations.sync.outbox import kinds
from project.needs_person.asking import Asker, Source
from project.needs_person.need import Need, Urgency, words_for

SHOWN = 12
WHY = {
    OutboxRow.State.PARKED: "Salesforce did not take them",
    OutboxRow.State.CONFLICT: "several rows claim one record",
    OutboxRow.State.UNFIT: "a value does not fit its field",
}


def read(asker: Asker) -> list[Need]:
    """Three statements: questions, rows, targets."""
    if not asker.may_somewhere:
        return []
    targets = attention.outbox_targets()
    return [*_questions(), *_rows(targets), *_paused(targets)]


def read_edits(asker: Asker) -> list[Need]:
    """Kept by the worker: there can be many."""
    return _edits()


def _questions() -> list[Need]:
    found = []
    for asked in guard.pending()[:SHOWN]:
        done = guard.EFFECTS.get(asked.effect, asked.effect)
        title = f"{asked.org}: {asked.rows:,} of {asked.of_rows:,} rows would be {done} at once"
        body = f"{asked.subject}. Nothing is done until somebody allows it."
        found.append(Need("outbox.guard", "outbox", Urgency.TODAY, title, reverse("integrations:outbox"), "Decide",
                          body, asked.rows, asked.asked_at, connection=asked.org.name))  # fmt: skip
    return found


def _rows(targets: Sequence[OutboxTarget]) -> list[Need]:
    found, labels = [], {kind.name: (kind.label, kind.domain) for kind in kinds.every()}
    for each in attention.stuck_rows(targets)[:SHOWN]:
        label, domain = labels.get(each["kind"], (each["kind"], "outbox"))
        chosen = urlencode({name: each[name] for name in ("target", "state", "code") if each[name]})
        title = (
            f"{each['connection']}: {words_for(each['n'], 'row of', 'rows of')} {each['object']} wait{'s' * (each['n'] == 1)}"
        )
        body = f"{label}: {WHY[each['state']]}{' (' + each['code'] + ')' if each['code'] else ''}."
        found.append(Need(f"outbox.{each['state']}", domain, Urgency.TODAY, title,
                          f"{reverse('integrations:outbox_rows')}?{chosen}", "See the rows", body, each["n"], each["since"],
                          connection=each["connection"]))  # fmt: skip
    return found


def _edits() -> list[Need]:
    return [
        Need(
            "outbox.edits", "outbox", Urgency.TODAY,
            f"{each['connection']}: {words_for(each['n'], 'value')} of ours changed in Salesforce",
            reverse("integrations:human_edits"), "Decide", "Somebody edited what Causeway writes. Ours or theirs?", each["n"],
            each["since"], connection=each["connection"],
        )
        for each in attention.open_edits()
    ]  # fmt: skip


def _paused(targets: Sequence[OutboxTarget]) -> list[Need]:
    return [
        Need(
            "outbox.paused", "outbox", Urgency.NOW, f"{target.org.name}: writing to {target.object} has stopped",
            f"{reverse('integrations:outbox')}#targets", "Open", target.reason, connection=target.org.name,
        )
        for target in attention.paused_targets(targets)
    ]  # fmt: skip


SOURCES = (Source("outbox", read, 3), Source("edits", read_edits, 1, kept=True))
