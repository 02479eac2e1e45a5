"""Several counts in one statement."""

from typing import Any

import pytest
from django.db.models import QuerySet

from integrations.models import Customer, EndUser, SalesforceOrg
from integrations.queries import count_each

pytestmark = pytest.mark.django_db


def test_l_10_many_counts_are_one_statement(django_assert_num_queries):
    Customer.objects.bulk_create(Customer(external_id=f"c{number}", name=f"Customer {number % 2}") for number in range(5))
    wanted: dict[str, QuerySet[Any]] = {
        "all": Customer.objects.all(), "some": Customer.objects.filter(name="Customer 1").order_by("name"),
        "none": EndUser.objects.all(), "never": SalesforceOrg.objects.none(), "names": Customer.objects.filter(name__contains="'"),
    }  # fmt: skip
    with django_assert_num_queries(1):
        found = count_each(wanted)
    assert found == {"all": 5, "some": 2, "none": 0, "never": 0, "names": 0}


def test_one_count_and_no_count(django_assert_num_queries):
    assert count_each({"all": Customer.objects.all()}) == {"all": 0}
    with django_assert_num_queries(0):
        assert count_each({}) == {}
        assert count_each({"never": Customer.objects.none()}) == {"never": 0}
