"""django-salesforce: Django's ORM over REST and collections."""

import datetime
import decimal
import sys
import types

import django
import requests
from django.conf import settings
from harness import FACTS, at_org, refused, run

SEND = requests.adapters.HTTPAdapter.send


def send_to_org(self, request, *args, **options):
    """django-salesforce takes only https addresses."""
    request.url = at_org(request.url)
    answer = SEND(self, request, *args, **options)
    if request.url.endswith("/token"):
        answer._content = answer.content.replace(b'"instance_url":"http:', b'"instance_url":"https:')
    return answer


requests.adapters.HTTPAdapter.send = send_to_org
USER, APP = FACTS["user"], FACTS["client"]
sys.modules["people"] = types.ModuleType("people")
sys.modules["people"].__file__ = __file__
settings.configure(
    INSTALLED_APPS=["salesforce"], SALESFORCE_DB_ALIAS="salesforce", DATABASE_ROUTERS=["salesforce.router.ModelRouter"],
    USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
        "salesforce": {
            "ENGINE": "salesforce.backend", "CONSUMER_KEY": APP["client_id"], "CONSUMER_SECRET": APP["client_secret"],
            "USER": USER["username"], "PASSWORD": USER["password"] + USER["security_token"], "HOST": "https://login.salesforce.com",
        },
    },
)  # fmt: skip
django.setup()

from django.db import connections  # noqa: E402
from django.db.models import Count, Max, Q, Sum  # noqa: E402
from salesforce import models  # noqa: E402
from salesforce.dbapi.exceptions import SalesforceError  # noqa: E402


class Account(models.Model):
    Name = models.CharField(max_length=255)
    NumberOfEmployees = models.IntegerField(null=True)
    IsDeleted = models.BooleanField(default=False, sf_read_only=models.READ_ONLY)
    CreatedDate = models.DateTimeField(sf_read_only=models.READ_ONLY)

    class Meta(models.Model.Meta):
        app_label, db_table = "people", "Account"


class Contact(models.Model):
    LastName = models.CharField(max_length=80)
    Email = models.EmailField(null=True)
    Birthdate = models.DateField(null=True)
    Account = models.ForeignKey(Account, models.DO_NOTHING, null=True, db_column="AccountId")

    class Meta(models.Model.Meta):
        app_label, db_table = "people", "Contact"


class Opportunity(models.Model):
    StageName = models.CharField(max_length=40)
    CloseDate = models.DateField()
    Amount = models.DecimalField(max_digits=18, decimal_places=2, null=True)

    class Meta(models.Model.Meta):
        app_label, db_table = "people", "Opportunity"


def scenario_filters():
    every = Account.objects.count()
    assert every > 100
    some = Account.objects.filter(Q(Name__startswith="H") | ~Q(NumberOfEmployees__gt=100)).count()
    assert 0 < some < every
    nulls = Account.objects.filter(NumberOfEmployees__isnull=True).count()
    assert nulls + Account.objects.filter(NumberOfEmployees__isnull=False).count() == every
    assert Opportunity.objects.filter(Amount__gt=decimal.Decimal("1000.50"), CloseDate__gte=datetime.date(2025, 1, 1)).count()
    assert Account.objects.query_all().filter(IsDeleted=True).count() > 0


def scenario_relations_and_pages():
    found = list(Contact.objects.filter(Account__Name__startswith="H").select_related("Account"))
    assert found
    assert all(each.Account.Name.startswith("H") for each in found)
    within = Contact.objects.filter(Account__in=Account.objects.filter(Name__startswith="H"))
    assert within.count() == len(found)
    assert sum(1 for _ in Opportunity.objects.all()) == Opportunity.objects.count()


def scenario_aggregates():
    stages = list(Opportunity.objects.values("StageName").annotate(n=Count("pk"), s=Sum("Amount")).order_by("StageName"))
    whole = Opportunity.objects.aggregate(n=Count("pk"), s=Sum("Amount"), last=Max("CloseDate"))
    assert sum(each["n"] for each in stages) == whole["n"]
    assert sum(each["s"] or 0 for each in stages) == whole["s"]
    assert isinstance(whole["last"], datetime.date)


def scenario_records_live_and_die():
    account = Account(Name="Orm")
    account.save()
    assert Account.objects.filter(pk=account.pk).update(NumberOfEmployees=7) == 1
    contact = Contact.objects.create(LastName="Orm", Account=account, Birthdate=datetime.date(1970, 1, 1))
    assert Contact.objects.get(pk=contact.pk).Birthdate == datetime.date(1970, 1, 1)
    contact.delete()
    account.delete()
    assert not Account.objects.filter(pk=account.pk).exists()


def scenario_many_at_once():
    assert len(Account.objects.bulk_create([Account(Name=f"Many {each}") for each in range(250)])) == 250
    found = list(Account.objects.filter(Name__startswith="Many ")[:200])
    for each in found:
        each.NumberOfEmployees = 4
    Account.objects.bulk_update(found, ["NumberOfEmployees"])
    assert Account.objects.filter(Name__startswith="Many ", NumberOfEmployees=4).count() == 200


def scenario_refusals():
    found = refused(SalesforceError, lambda: Contact(LastName="x", Email="nonsense").save())
    assert "INVALID_EMAIL_ADDRESS" in str(found)


def scenario_introspection():
    assert {"Account", "Contact"} <= set(connections["salesforce"].introspection.table_names())


run(sys.modules[__name__])
