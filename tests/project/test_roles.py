"""S-071: every role at every address by every method, against the declared table; and what a role is."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import resolve, reverse

from integrations.access import DOMAIN_GROUPS, DOMAINS, GROUPS, READ_ONLY, ROLES, domains_of, has_role, may_change, role_of
from integrations.models import ApiKey
from project import roles
from project.roles import Rights, allows
from project.templatetags.ui import NAVIGATION, is_open_to
from tests.project.addresses import address_of, is_api, ours

pytestmark = pytest.mark.django_db
OTHER_RULES = ("metrics", "readyz", "logout")  # see test_health and test_s_054
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
PART_OF = {name: key for key, part in roles.PARTS.items() for name in (*part.PAGES, *part.API)}
DOMAIN_ADMINS = {f"admin of {domain}": Rights("member", (domain,)) for domain in DOMAINS}


def person(rights: Rights, name: str = "somebody") -> User:
    """Somebody with these rights."""
    top = rights.role == "superadmin"
    user = User.objects.create_user(name, email=f"{name}@acme.example", is_superuser=top, is_staff=top)
    groups = [GROUPS[rights.role]] if rights.role in GROUPS else []
    user.groups.set(
        [Group.objects.get_or_create(name=each)[0] for each in (*groups, *(DOMAIN_GROUPS[d] for d in rights.domains))]
    )
    return user


def signed_in(rights: Rights) -> Client:
    client = Client()
    if rights.role != "anonymous":
        client.force_login(person(rights), backend="django.contrib.auth.backends.ModelBackend")
    return client


def is_refused(answer, *, api: bool) -> bool:
    """Sent away for who one is, not for what was asked. A page that answers 401 asks for a key of its own."""
    return (
        answer.status_code == 403
        or (api and answer.status_code == 401)
        or (answer.status_code == 302 and "/accounts/login/" in answer["Location"])
    )


def check(client: Client, rights: Rights, name: str, pattern, method: str) -> None:
    """One request, held against the table. 405 says nothing about roles."""
    path = address_of(name, pattern)
    answer = client.generic(method, path, content_type="application/json" if is_api(pattern) else "application/octet-stream")
    expected = allows(rights, name, method)
    assert answer.status_code < 500, f"{rights} {method} {path}: {answer.status_code}"
    if answer.status_code != 405:
        assert is_refused(answer, api=is_api(pattern)) != expected, f"{rights} {method} {path}: {answer.status_code}"


def of(part: str) -> list:
    return [(name, pattern) for name, pattern in ours() if PART_OF.get(name) == part and name not in OTHER_RULES]


def test_s_071_every_address_is_declared_once():
    pages = {name for name, pattern in ours() if not is_api(pattern)}
    api = {name for name, pattern in ours() if is_api(pattern)}
    assert pages == set(roles.PAGES), pages ^ set(roles.PAGES)
    assert api == set(roles.API), api ^ set(roles.API)
    declared = [name for part in roles.PARTS.values() for name in (*part.PAGES, *part.API)]
    assert len(declared) == len(set(declared))


def test_s_071_the_domain_of_every_address_is_that_of_its_view():
    from integrations.access import domain_of

    for name, pattern in ours():
        view = pattern.callback
        owner = view.cls.__module__ if is_api(pattern) else view.__module__
        if name in PART_OF and name not in OTHER_RULES:
            assert domain_of(owner) == roles.DOMAIN[name], name


@pytest.mark.parametrize("part", roles.PARTS)
@pytest.mark.parametrize("role", ROLES)
def test_s_071_each_role_gets_what_is_declared(role, part):
    rights = Rights(role)
    client = signed_in(rights)
    for name, pattern in of(part):
        for method in ("GET", *UNSAFE):
            # Whoever may POST gets 405 or the like for other methods: only refusals are worth asking four times.
            if method in ("GET", "POST") or not allows(rights, name, method):
                check(client, rights, name, pattern, method)


@pytest.mark.parametrize(("words", "rights"), DOMAIN_ADMINS.items(), ids=list(DOMAINS))
def test_s_071_an_admin_of_a_domain_is_an_operator_there_and_a_member_elsewhere(words, rights):
    client, member = signed_in(rights), Rights("member")
    for name, pattern in ours():
        if name in OTHER_RULES or name not in PART_OF:
            continue
        for method in ("GET", "POST"):
            # Elsewhere, what members may do was asked as a member already.
            if roles.DOMAIN[name] in rights.domains or name in roles.EACH_DOMAIN or not allows(member, name, method):
                check(client, rights, name, pattern, method)


def test_s_071_the_table_itself_says_what_the_roles_mean():
    viewer, analyst, billing = Rights("viewer"), Rights("analyst"), Rights("member", ("billing",))
    for name in (*roles.PAGES, *roles.API):
        needed = roles.PAGES.get(name) or roles.API[name][1]
        assert not allows(viewer, name, "POST") or needed in ("anonymous", "viewer"), name
        if name not in roles.FORMS:
            assert allows(viewer, name, "GET") == allows(analyst, name, "GET"), name
        other = Rights("operator" if roles.DOMAIN[name] == "billing" or name in roles.EACH_DOMAIN else "member")
        assert allows(billing, name, "POST") == allows(other, name, "POST"), name


@pytest.mark.parametrize("role", ROLES[1:])
def test_what_makes_a_role(role):
    user = person(Rights(role))
    assert role_of(user) == role
    reads = "analyst" if role == "viewer" else role
    assert [each for each in ROLES if has_role(user, each)] == list(ROLES[: ROLES.index(reads) + 1])
    assert may_change(user) == (role != "viewer")
    user.is_active = False
    assert role_of(user) == "anonymous"


def test_groups_add_up_and_the_viewers_group_takes_away(cast):
    user = person(Rights("analyst", ("billing", "okr")))
    assert (role_of(user), role_of(user, "billing"), role_of(user, "product")) == ("analyst", "operator", "analyst")
    assert domains_of(user) == ("okr", "billing")
    user.groups.add(Group.objects.get_or_create(name=GROUPS["viewer"])[0])
    user = User.objects.get(pk=user.pk)
    assert (role_of(user), role_of(user, "billing"), domains_of(user)) == ("viewer", "viewer", ())
    assert not may_change(user, domain="billing")
    user.is_superuser = True
    assert may_change(user, "superadmin")


def test_one_query_for_groups_a_request(django_assert_num_queries, cast):
    user = User.objects.get(pk=cast.olga.pk)
    with django_assert_num_queries(1):
        for role in ROLES:
            has_role(user, role, "billing")
        may_change(user)


def test_a_viewer_is_told_in_one_sentence(client):
    client.force_login(person(Rights("viewer")), backend="django.contrib.auth.backends.ModelBackend")
    for path in (reverse("okr:objective_create"), reverse("okr:objective_archive", args=[1])):
        page = client.post(path)
        assert page.status_code == 403
        assert page.content.decode().count(READ_ONLY) == 1
    answer = client.post("/api/v1/objectives/", {}, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["message"]) == (403, READ_ONLY)
    assert client.get("/okr/").status_code == 200


def test_others_are_told_what_is_lacking(client, cast):
    client.force_login(cast.marsha, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get("/billing/import/").content.decode()
    assert "This needs an operator or an admin of billing; you are a member." in page
    message = client.post("/api/v1/billing/plans/", {}, content_type="application/json").json()["error"]["message"]
    assert message == "This needs an operator or an admin of billing; you are a member."


def test_s_076_a_key_loses_rights_with_its_owner_at_once(client):
    owner = person(Rights("operator"))
    _, secret = ApiKey.objects.create_key(name="Runs", owner=owner, scopes=["runs:read", "billing:write"])
    header = {"Authorization": f"Api-Key {secret}"}
    send = {"content_type": "application/json", "headers": header}
    assert client.get("/api/v1/runs/", headers=header).status_code == 200
    assert client.post("/api/v1/billing/plans/", {}, **send).status_code == 400
    assert client.get("/api/v1/billing/plans/", headers=header).status_code == 403, "the scope was never given"
    owner.groups.set([Group.objects.get_or_create(name=GROUPS["viewer"])[0]])
    assert client.get("/api/v1/runs/", headers=header).status_code == 200
    refused = client.post("/api/v1/billing/plans/", {}, **send)
    assert (refused.status_code, refused.json()["error"]["message"]) == (403, READ_ONLY)
    owner.groups.clear()
    assert client.get("/api/v1/runs/", headers=header).status_code == 403
    owner.groups.set([Group.objects.get_or_create(name=DOMAIN_GROUPS["billing"])[0]])
    assert client.post("/api/v1/billing/plans/", {}, **send).status_code == 400
    assert client.get("/api/v1/runs/", headers=header).status_code == 200, "those of billing"
    assert client.get("/api/v1/customers/", headers=header).status_code == 403


@pytest.mark.parametrize("rights", [*map(Rights, ROLES[1:]), *DOMAIN_ADMINS.values()], ids=str)
def test_the_sidebar_shows_only_what_opens(rights):
    user = person(rights)
    for _, places in NAVIGATION:
        for place in places:
            name = resolve(place.path).view_name
            assert is_open_to(user, place) == allows(rights, name, "GET"), place.path


def test_viewers_are_offered_nothing_that_they_cannot_do(client):
    client.force_login(person(Rights("viewer")), backend="django.contrib.auth.backends.ModelBackend")
    page = client.get("/okr/").content.decode()
    assert '<body class="reads-only"' in page
    assert "/okr/objectives/new/" not in page
