"""Two processes that count API calls of one connection at the same moment, on a real server."""

import threading

import pytest
from django.db import connections, transaction

from integrations.models import ApiUsage, SalesforceOrg
from integrations.orgs.usage import UsageBuffer

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("races")]
PROCESSES, CALLS = 4, 15


def test_i_18_neither_calls_nor_names_of_objects_are_lost_between_processes():
    org = SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", state="connected")
    barrier = threading.Barrier(PROCESSES)

    def count(number: int) -> None:
        barrier.wait(60)
        buffer = UsageBuffer()  # each process has one
        for call in range(CALLS):
            buffer.add(org.pk, "test", counted=True, failed=False, object_name=f"O{number}x{call}", limit=None)
            buffer.flush()
        connections.close_all()

    threads = [threading.Thread(target=count, args=(number,)) for number in range(PROCESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    rows = list(ApiUsage.objects.filter(org=org))
    assert sum(row.calls for row in rows) == PROCESSES * CALLS
    assert len({name for row in rows for name in row.objects_asked}) == PROCESSES * CALLS


def test_i_18_names_are_listed_anew_after_their_row_was_undone_or_deleted(django_assert_max_num_queries):
    org = SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", state="connected")
    buffer = UsageBuffer()

    def count(name: str) -> None:
        buffer.add(org.pk, "test", counted=True, failed=False, object_name=name, limit=None)
        buffer.flush()

    count("Account")
    with django_assert_max_num_queries(1):
        count("Account")
    with transaction.atomic():
        count("Contact")
        transaction.set_rollback(True)
    count("Contact")
    row = ApiUsage.objects.get(org=org)
    assert (row.calls, row.objects_asked) == (3, ["Account", "Contact"])
    row.delete()
    count("Contact")
    row = ApiUsage.objects.get(org=org)
    assert (row.calls, row.objects_asked) == (1, ["Contact"])
