"""Any mixture of requests, repeats and flushes ends with each id once; senders and flushes at the same time, too."""

import threading

import pytest
from django.db import connections
from django.db.models import Sum
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from integrations.lake.tables import drop_table
from integrations.models import Run, RunObject
from integrations.product.ingest import lake_tables
from integrations.product.ingest.flush import JOB, flush_due
from integrations.product.models import EventBatch, IngestDay, QuarantinedEvent
from integrations.sync import runs
from tests.product.sending import DAY, accept, flush, raw_count, stored, text_of, track

quick = settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)  # fmt: skip
event = st.tuples(st.integers(0, 12), st.integers(0, 3), st.sampled_from(["acme", None]), st.booleans())
steps = st.lists(st.one_of(st.just("flush"), st.lists(event, min_size=1, max_size=8)), min_size=1, max_size=5)


@pytest.mark.django_db
@quick
@given(steps=steps)
def test_i_04_whatever_comes_in_whatever_order_each_id_is_stored_once(steps):
    for table in (lake_tables.events_table(), lake_tables.nps_table()):
        drop_table(table)
    IngestDay.objects.all().delete()
    Run.objects.all().delete()
    now, sent = timezone.now(), dict[str, int]()
    for step in steps:
        if step == "flush":
            flush()
            continue
        batch = []
        for number, days, account, is_answer in step:
            about = {"id": f"e{number}", "user": f"u{number % 3}", "at": text_of(now - days * DAY), "account": account}
            answer = (
                {"type": "nps", "properties": {"score": number % 11}} if is_answer else {"type": "track", "event": "Opened"}
            )
            batch.append({name: value for name, value in {**about, **answer}.items() if value is not None})
            sent[about["id"]] = sent.get(about["id"], 0) + 1
        accept(*batch, now=now)
    flush()
    names = [row[0] for row in stored()]
    assert names == sorted(sent)
    # An event that came before its user had a customer has a second version, which says it.
    later = RunObject.objects.filter(name="Events joined with their customer").aggregate(n=Sum("written", default=0))["n"]
    assert raw_count() == len(sent) + later
    answers = {row[0] for row in stored(relation=lake_tables.nps_answers())}
    assert answers == {row[0] for row in stored(where="name = 'nps'")}
    sums = IngestDay.objects.aggregate(new=Sum("accepted"), again=Sum("duplicates"))
    assert (sums["new"] or 0, sums["again"] or 0) == (len(sent), sum(sent.values()) - len(sent))


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("races")
def test_i_04_senders_and_flushes_at_the_same_time_lose_and_double_nothing():
    errors: list[BaseException] = []

    def send(sender: int) -> None:
        for turn in range(8):
            now = timezone.now()
            accept(*[track(f"e{turn}-{n}", user=f"u{n}", account="acme") for n in range(10)], now=now)
            accept(track(f"own{sender}-{turn}", user=f"s{sender}-{turn}"), now=now)

    def flush_often(_number: int) -> None:
        for _ in range(6):
            run = flush_due(now=timezone.now())
            if run is not None:
                runs.perform_run(run.pk)

    def guarded(work, number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)
        finally:
            connections.close_all()

    work = [(send, 1), (send, 2), (send, 3), (flush_often, 1), (flush_often, 2)]
    threads = [threading.Thread(target=guarded, args=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    flush()
    assert raw_count() == len(stored()) == 80 + 24
    assert not EventBatch.objects.exists()
    assert not QuarantinedEvent.objects.exists()
    assert not Run.objects.filter(job=JOB, state__in=[Run.State.FAILED, Run.State.PARTIAL]).exists()
