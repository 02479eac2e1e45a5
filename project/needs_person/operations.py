"""The machinery: a silent worker, times that went by, runs that failed, messages that were not delivered."""

from datetime import timedelta

from django.urls import reverse

from integrations import attention
from integrations.models import Run
from integrations.queries import job_label
from project.backups.last import last_backup
from project.needs_person.asking import Asker, Source
from project.needs_person.need import Need, Urgency, words_for
from project.timetable import PREFIX

SILENT_AFTER = timedelta(minutes=3)
BACKUP_OLD = timedelta(hours=36)
SHOWN = 8


def read(asker: Asker) -> list[Need]:
    """Seven statements, most of them small."""
    if not asker.may_somewhere or not asker.orgs:
        return []
    beat = attention.last_beat()
    silent = beat is None or asker.now - beat > SILENT_AFTER
    found = [_silent(beat)] if silent else _late(asker)
    runs = asker.runs
    found += [_failed(each) for each in attention.failed_now(runs)[:SHOWN]]
    if not silent:
        found += [_waits(each) for each in attention.waiting_long(runs, now=asker.now)[:SHOWN]]
    return [*found, *_messages(asker), *_backup(asker)]


def _silent(beat: object) -> Need:
    said = "It has never reported." if beat is None else "Nothing refreshes until it is back."
    return Need("operations.worker", "operations", Urgency.NOW, "The background worker is not running",
                reverse("integrations:runs"), "See the runs", f"{said} Start it with: manage.py qcluster", since=beat)  # type: ignore[arg-type]  # fmt: skip


def _late(asker: Asker) -> list[Need]:
    late = attention.late_slots(asker.times, now=asker.now)
    if not late:
        return []
    names = ", ".join(name.removeprefix(PREFIX) for name, _ in late[:5])
    title = f"{words_for(len(late), 'scheduled time has', 'scheduled times have')} gone by"
    return [Need("operations.late", "operations", Urgency.NOW, title, reverse("integrations:runs"), "See the runs",
                 f"Nobody started them: {names}. The worker may be busy; add one.", len(late), late[0][1])]  # fmt: skip


def _failed(run: Run) -> Need:
    where = f"{run.org.name}: " if run.org else ""
    ended = "was interrupted" if run.state == Run.State.INTERRUPTED else "failed"
    return Need("operations.failed", run.domain, Urgency.NOW, f"{where}{job_label(run.job)} {ended}",
                reverse("integrations:run", kwargs={"pk": run.pk}), "See why", run.sentence,
                since=run.finished_at or run.queued_at, connection=run.org.name if run.org else "")  # fmt: skip


def _waits(run: Run) -> Need:
    where = f"{run.org.name}: " if run.org else ""
    return Need("operations.waits", run.domain, Urgency.TODAY, f"{where}{job_label(run.job)} waits to begin",
                reverse("integrations:run", kwargs={"pk": run.pk}), "Open", "The worker has other work; add one if this stays.",
                since=run.queued_at, connection=run.org.name if run.org else "")  # fmt: skip


def _messages(asker: Asker) -> list[Need]:
    return [
        Need("operations.channel", "operations", Urgency.TODAY, f"Messages to {each['name']} do not arrive",
             reverse("integrations:alert_deliveries"), "Look why",
             f"{words_for(each['n'], 'message was', 'messages were')} given up.", each["n"], each["since"], role="admin")
        for each in attention.failed_deliveries(now=asker.now)
    ]  # fmt: skip


def _backup(asker: Asker) -> list[Need]:
    """Nothing is said where no backup was ever noted: somebody else may take them."""
    last = last_backup()
    if last is None or asker.now - last.made_at < BACKUP_OLD:
        return []
    url = f"{reverse('document', kwargs={'slug': 'operations'})}#backup"
    return [Need("operations.backup", "operations", Urgency.TODAY, "The last backup is old", url, "How to take one",
                 "A backup each day loses a day at most.", since=last.made_at, role="admin")]  # fmt: skip


SOURCES = (Source("operations", read, 7),)
