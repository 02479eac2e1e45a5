"""What a worker must survive: kill -9, a deploy, forged queue rows, a queue that was emptied, a database that restarts."""

import json
import time

import pytest

from tests.faults.conftest import furnish
from tests.sync.installation import Installation, kill_worker, status_of, stop, wait_until

pytestmark = [pytest.mark.worker, pytest.mark.xdist_group("worker")]
ASK = "from integrations.sync import runs; run = runs.request_run('okr.refresh', org=SalesforceOrg.objects.get(), now=timezone.now())"
REPORT_RUN = r"/analytics/reports/[0-9A-Za-z]{15,18}(\?|$)"
FACTS = """
import json
from okr.models import KeyResult
def facts(pk):
    run = Run.objects.get(pk=pk)
    sums = [run.objects_touched.values_list(n, flat=True) for n in ('read','written','unchanged','skipped','failed','not_attempted')]
    return json.dumps({'state': run.state, 'code': run.reason_code, 'from': run.resumed_from_id, 'attempts': run.attempts,
                       'sums': [sum(each) for each in sums], 'next': list(run.resumptions.values_list('pk', flat=True))})
def values():
    return json.dumps({k.title: str(k.current) for k in KeyResult.objects.order_by('pk')})
"""


def facts(place: Installation, pk: int) -> dict:
    return json.loads(place.ask(f"facts({pk})", first=FACTS))


def values(place: Installation) -> dict:
    return json.loads(place.ask("values()", first=FACTS))


def ended(place: Installation, pk: int) -> dict | None:
    found = facts(place, pk)
    return found if found["state"] not in ("queued", "running") else None


def in_mid_run(place: Installation, org, *, delay: float, times: int = 1) -> int:
    """Ask for a refresh whose first reports are slow; returns the run once it waits for that report."""
    org.no_faults()
    org.forget_calls()
    org.fault(path=REPORT_RUN, times=times, status=0, delay=delay)
    pk = int(place.ask("run.pk", first=ASK))
    wait_until(lambda: facts(place, pk)["state"] == "running" and org.calls("/analytics/reports/"))
    return pk


def adds_up(found: dict) -> bool:
    return found["sums"][0] == sum(found["sums"][1:]) and found["sums"][0] > 0


def test_r_250_kill_9_in_mid_run_is_interrupted_resumed_and_adds_up(furnished, slow_org, worker_of):
    first = worker_of(furnished)
    pk = in_mid_run(furnished, slow_org, delay=25)
    kill_worker(first)
    slow_org.no_faults()
    worker_of(furnished)
    assert facts(furnished, pk)["state"] == "running", "nobody has noticed yet"
    furnished.ask(
        "runs.sweep(now=timezone.now())",
        first="from integrations.sync import runs; back = timedelta(minutes=4, seconds=5);"
        f"Run.objects.filter(pk={pk}).update(heartbeat_at=timezone.now() - back);"
        "Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))",
    )
    lost = facts(furnished, pk)
    assert (lost["state"], lost["code"]) == ("interrupted", "worker_lost")
    (again,) = lost["next"]
    found = wait_until(lambda: ended(furnished, again))
    assert found["state"] == "success"
    assert found["attempts"] == 2
    assert adds_up(found)
    resumed = values(furnished)
    fresh = int(furnished.ask("run.pk", first=ASK))
    assert wait_until(lambda: ended(furnished, fresh))["state"] == "success"
    assert values(furnished) == resumed, "I-02: the target equals that of an uninterrupted run"


def test_r_263_r_079_a_deploy_stops_the_run_within_30_seconds_and_the_next_worker_goes_on(furnished, slow_org, worker_of):
    first = worker_of(furnished)
    pk = in_mid_run(furnished, slow_org, delay=4, times=99)
    began = time.monotonic()
    first.terminate()
    assert first.wait(30) == 0
    assert time.monotonic() - began < 30
    slow_org.no_faults()
    stopped = facts(furnished, pk)
    assert (stopped["state"], stopped["code"]) == ("interrupted", "worker_stopping")
    (again,) = stopped["next"]
    worker_of(furnished)
    found = wait_until(lambda: ended(furnished, again))
    assert found["state"] == "success"
    assert found["sums"][0] == sum(found["sums"][1:])


def test_r_256_queue_emptied_under_a_queued_run_and_the_sweeper_finds_it(furnished, slow_org, worker_of):
    slow_org.no_faults()
    pk = int(furnished.ask("run.pk", first=f"{ASK}; from django_q.models import OrmQ; OrmQ.objects.all().delete()"))
    worker_of(furnished)
    furnished.ask("runs.sweep(now=timezone.now() + timedelta(minutes=6))", first="from integrations.sync import runs")
    assert wait_until(lambda: ended(furnished, pk))["state"] == "success"


def test_s_043_forged_queue_rows_are_dropped_logged_and_never_unpickled(furnished, worker_of, tmp_path):
    proof = tmp_path / "unpickled"
    forge = f"""
import pickle, os
from django.core import signing as django_signing
from django_q import core_signing
from django_q.models import OrmQ
from django_q.signing import PickleSerializer, SignedPackage
class Bomb:
    def __reduce__(self):
        return (os.system, ("touch {proof}",))
good = SignedPackage.dumps({{"id": "f" * 32, "name": "x", "func": "os.getcwd", "args": (), "kwargs": {{}}, "started": timezone.now()}})
import base64
raw = base64.b64encode(pickle.dumps(Bomb())).decode()
sign = lambda key, salt: core_signing.dumps(Bomb(), key=key, salt=salt, serializer=PickleSerializer)
for payload in (raw, raw + ":" + "x" * 43, sign("another-key", "causeway"), sign("another-key", "x"),
                good[:10] + ("A" if good[10] != "A" else "B") + good[11:], "", "::", django_signing.dumps({{"func": "os.getcwd"}})):
    OrmQ.objects.create(key="causeway", payload=payload, lock=timezone.now())
"""
    forged = "OrmQ.objects.filter(key='causeway').exclude(payload=SignedPackage.dumps({})).count()"
    assert int(furnished.ask(forged, first=forge)) >= 8
    worker_of(furnished)
    left = "sum(1 for row in OrmQ.objects.all() if not signed(row))"
    check = """
from django_q.models import OrmQ
from django_q.signing import BadSignature, SignedPackage
def signed(row):
    try:
        return bool(SignedPackage.loads(row.payload))
    except BadSignature:
        return False
"""
    wait_until(lambda: furnished.ask(left, first=check) == "0")
    assert not proof.exists()
    assert "Failed to push task to queue" in (furnished.folder / "worker.log").read_text()


def test_r_258_database_restarted_in_mid_run(tmp_path_factory, postgres, slow_org, worker_of):
    """The web says 503 and comes back by itself within 60 s; the run is resumed and adds up."""
    place = furnish(tmp_path_factory.mktemp("restart"), slow_org, postgres.url)
    web, url = place.start_web()
    try:
        worker_of(place)
        wait_until(lambda: status_of(f"{url}/readyz") == 503)  # no demo.json here, so never 200
        pk = in_mid_run(place, slow_org, delay=6)
        assert status_of(f"{url}/accounts/login/") == 200
        postgres.stop()
        assert status_of(f"{url}/okr/") == 503 or status_of(f"{url}/accounts/login/?next=/okr/") == 503
        assert status_of(f"{url}/healthz") == 200
        assert status_of(f"{url}/readyz") == 503
        postgres.start()
        began = time.monotonic()
        wait_until(lambda: status_of(f"{url}/accounts/login/") == 200, 60)
        assert time.monotonic() - began < 60
        lost = wait_until(lambda: ended(place, pk), 90)
        assert (lost["state"], lost["code"]) == ("interrupted", "database"), lost
        (again,) = lost["next"]
        found = wait_until(lambda: ended(place, again), 90)
        assert found["state"] == "success"
        assert adds_up(found)
    finally:
        stop(web)
