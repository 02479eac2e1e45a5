"""The demonstration's company is made by the usual verbs and can be made once."""

from django.utils import timezone

from okr import demo, queries
from okr.models import KeyResult, License, Objective, ReportLink


def test_the_demonstration_is_believable_and_made_once(connected_org, cast):
    users = {"admin": cast.ada, "jane": cast.jane, "marsha": cast.marsha, "oliver": cast.olga, "ana": cast.ana}
    for name in ("admin", "jane"):
        License.objects.create(org=connected_org, user=users[name])
    linked = demo.fill(org=connected_org, users=users, now=timezone.now())
    wanted = sum(1 for goal in demo.GOALS for result in goal.results if result.source)
    assert linked == ReportLink.objects.filter(status="fresh").count() == wanted
    assert not KeyResult.objects.filter(current=None).exists()
    assert all(row.progress is not None for row in queries.rows_of(Objective.objects.all()))
    assert {link.key_result.owner for link in ReportLink.objects.select_related("key_result__owner")} - {cast.jane}
    assert demo.fill(org=connected_org, users=users, now=timezone.now()) == 0
