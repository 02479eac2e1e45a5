"""The back office by role: its door, every registered model, and that most people only look."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client

from integrations.access import DOMAINS, READ_ONLY, domain_of
from project.back_office import PERSONAL, SECRETS, may_look, may_open
from project.roles import Rights
from tests.project.test_roles import DOMAIN_ADMINS, person, signed_in

pytestmark = pytest.mark.django_db
MODELS = {model._meta.label_lower: model for model in admin.site._registry}
ROLES = [Rights("viewer"), Rights("operator"), Rights("admin"), *DOMAIN_ADMINS.values()]


def path_of(model) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def wanted(rights: Rights, label: str) -> bool:
    """What the words of docs/roles.md say."""
    if label in SECRETS:
        return False
    if rights.role == "viewer":
        return label not in PERSONAL
    return rights.role in ("operator", "admin") or domain_of(MODELS[label].__module__) in rights.domains


def test_the_models_kept_back_are_there():
    known = {model._meta.label_lower for model in apps.get_models()}
    assert known >= PERSONAL | SECRETS
    assert {domain_of(model.__module__) for model in MODELS.values()} == {"", *DOMAINS}


@pytest.mark.parametrize("rights", ROLES, ids=str)
def test_each_role_sees_its_models_only(rights):
    client = signed_in(rights)
    page = client.get("/admin/").content.decode()
    for label, model in MODELS.items():
        assert (f'href="{path_of(model)}"' in page) == wanted(rights, label), label
    # What is not linked is refused, too; of what is linked one list an app is opened (all of them: see test_every_page_...).
    opened = {MODELS[label]._meta.app_label: label for label in MODELS if wanted(rights, label)}.values()
    for label in (*opened, *(label for label in MODELS if not wanted(rights, label))):
        answer = client.get(path_of(MODELS[label]))
        assert answer.status_code == (200 if wanted(rights, label) else 403), f"{rights} {label}: {answer.status_code}"


@pytest.mark.parametrize("rights", ROLES, ids=str)
def test_nobody_but_a_super_admin_adds_changes_deletes_or_acts(rights, rf):
    request = rf.get("/admin/")
    request.user = person(rights, "looker")
    for model, model_admin in admin.site._registry.items():
        assert not model_admin.has_add_permission(request), model
        assert not model_admin.has_change_permission(request), model
        assert not model_admin.has_delete_permission(request), model
        assert model_admin.get_actions(request) == {}, model


@pytest.mark.parametrize("rights", [Rights("member"), Rights("analyst"), Rights("anonymous")], ids=str)
def test_the_door_stays_closed_for_others(rights):
    answer = signed_in(rights).get("/admin/")
    assert answer.status_code == (302 if rights.role == "anonymous" else 403) or answer.status_code == 302
    assert b"Back office" not in signed_in_page(rights)


def signed_in_page(rights: Rights) -> bytes:
    client = Client()
    if rights.role != "anonymous":
        client.force_login(person(rights, "other"), backend="django.contrib.auth.backends.ModelBackend")
    return client.get("/").content


def test_staff_without_a_role_see_the_door_and_no_rows():
    user = person(Rights("member"))
    user.is_staff = True
    assert may_open(user)
    assert not [label for label, model in MODELS.items() if may_look(user, model)]


def test_a_viewer_changes_nothing_there():
    client = signed_in(Rights("viewer"))
    for path in ("/admin/okr/objective/", "/admin/okr/objective/1/change/", "/admin/password_change/"):
        answer = client.post(path, {"action": "delete_selected"})
        assert answer.status_code == 403, path
        assert READ_ONLY in answer.content.decode()


def test_the_last_super_admin_stays_in_the_back_office_too(client, cast):
    client.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    path = f"/admin/auth/user/{cast.ada.pk}/"
    form = {"username": "ada", "is_active": "on", "is_staff": "on", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    answer = client.post(f"{path}change/", form)
    assert answer.status_code == 200
    assert "last super admin" in answer.content.decode()
    assert client.post(f"{path}delete/", {"post": "yes"}).status_code == 403
    client.post("/admin/auth/user/", {"action": "delete_selected", "_selected_action": [cast.ada.pk], "post": "yes"})
    assert User.objects.get(pk=cast.ada.pk).is_superuser
