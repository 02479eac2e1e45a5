"""Two people, or two tabs, change one segment: the second one is told what changed, and nothing of either is lost."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import ApiKey, SalesforceOrg
from integrations.product.models.segments import Segment
from integrations.product.segments import saving
from tests.product.segment_world import SegmentWorld

pytestmark = pytest.mark.django_db


def tree(value: str) -> dict:
    return {"all": [{"field": "attributes.industry", "op": "is", "value": value}]}


@pytest.fixture
def segment(cast) -> Segment:
    world = SegmentWorld(SalesforceOrg.objects.create(name="Acme", state="connected"))
    world.attributes(industry="STRING")
    return saving.save_segment(
        None, name="One", entity="customer", conditions=tree("Energy"), user=cast.olga, now=timezone.now()
    )


def form_of(page: str, **changes: str) -> dict[str, str]:
    """The fields of the editor as a browser would send them."""
    found = dict(re.findall(r'<input type="(?:text|hidden|number)"[^>]*? name="([^"]+)" value="([^"]*)"', page))
    for name, options in re.findall(r'<select[^>]*? name="([^"]+)"[^>]*>(.*?)</select>', page, re.S):
        chosen = re.search(r'<option value="([^"]*)"[^>]*? selected', options) or re.search(r'<option value="([^"]*)"', options)
        if chosen:
            found[name] = chosen.group(1)
    return {**found, **changes, "verb": "save"}


def test_the_second_editor_sees_what_changed_and_keeps_what_it_wrote(client, cast, segment):
    address = reverse("product:segment_edit", args=[segment.pk])
    client.force_login(cast.olga)
    first, second = client.get(address).content.decode(), client.get(address).content.decode()
    assert client.post(address, form_of(first, name="Renamed first")).status_code == 302
    answer = client.post(address, form_of(second, name="Mine", description="My words"))
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "olga saved this segment" in page
    assert "Renamed first" in page
    assert 'value="Mine"' in page
    assert 'value="My words"' in page
    segment.refresh_from_db()
    assert (segment.name, segment.description) == ("Renamed first", "")
    assert client.post(address, form_of(page)).status_code == 302, "who has seen it may save"
    segment.refresh_from_db()
    assert (segment.name, segment.description, segment.conditions) == ("Mine", "My words", tree("Energy"))


def test_the_form_keeps_its_version_while_conditions_are_added_and_tried(client, cast, segment):
    address = reverse("product:segment_edit", args=[segment.pk])
    client.force_login(cast.olga)
    opened = form_of(client.get(address).content.decode())
    saving.save_segment(segment, name="Other", conditions=tree("Retail"), user=cast.olga, now=timezone.now())
    for verb in ("add", "preview"):
        page = client.post(address, {**opened, "verb": verb}).content.decode()
        assert f'name="version" value="{opened["version"]}"' in page
    assert client.post(address, opened).status_code == 409


def test_the_same_form_sent_twice_is_saved_once(client, cast, segment):
    address = reverse("product:segment_edit", args=[segment.pk])
    client.force_login(cast.olga)
    form = form_of(client.get(address).content.decode(), name="Twice")
    assert [client.post(address, form).status_code for _ in range(2)] == [302, 302]


def test_each_save_gives_another_version_also_within_one_instant(cast, segment):
    now, seen = timezone.now(), set()
    for name in ("a", "b", "c"):
        segment = saving.save_segment(segment, name=name, conditions=tree(name), user=cast.olga, now=now)
        seen.add(saving.version_of(segment))
    assert len(seen) == 3


def test_a_segment_that_was_deleted_meanwhile_says_so(cast, segment):
    stale = Segment.objects.get(pk=segment.pk)
    segment.delete()
    with pytest.raises(Refusal, match="deleted meanwhile"):
        saving.save_segment(stale, name="x", conditions=tree("x"), user=cast.olga, now=timezone.now())


def test_by_the_api_the_version_is_updated_at(client, cast, segment):
    _, secret = ApiKey.objects.create_key(name="k", owner=cast.olga, scopes=["product:read", "product:write"])
    header, path = {"Authorization": f"Api-Key {secret}"}, f"/api/v1/segments/{segment.pk}/"

    def patch(**body):
        return client.patch(path, body, content_type="application/json", headers=header)

    read = client.get(path, headers=header).json()["updated_at"]
    assert patch(name="First", updated_at=read).status_code == 200
    answer = patch(name="Second", updated_at=read)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "changed_meanwhile")
    assert patch(name="Second").status_code == 200
    assert patch(updated_at=5).status_code == 400
