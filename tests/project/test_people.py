"""People: invited, given rights, switched off; one's own page; what nobody can do to get above their role."""

import re

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.core import mail
from django.utils import timezone

from integrations.access import DOMAIN_GROUPS, GROUPS, Refusal, role_of
from integrations.models import ApiKey, AuditEntry, SalesforceOrg
from okr import licenses
from okr.models import License
from project.people import changing
from project.people.finding import described, find_people
from project.people.rights import GIVEN, Rights, grantable, why_not_give, why_not_manage
from tests.cast import PASSWORD
from tests.project.test_roles import person

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def ada(client, cast):
    client.force_login(cast.ada, backend=BACKEND)
    return client


@pytest.fixture
def ben(cast) -> User:
    """An admin who is no super admin."""
    return person(Rights("admin"), "ben")


def again(user: User) -> User:
    return User.objects.get(pk=user.pk)


def invite(client, **extra: object):
    form = {"username": "nina", "email": "nina@acme.example", "first_name": "Nina", "last_name": "New", "role": "member"}
    return client.post("/people/new/", {**form, **extra})


def link_in(answer) -> str:
    found = re.search(r"http://[^\s\"<]+/accounts/set-password/[^\s\"<]+", answer.content.decode())
    assert found, "the page shows the link"
    return re.sub(r"^http://[^/]+", "", found[0])


# --- Decisions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("actor", ["viewer", "member", "analyst", "operator", "admin", "superadmin"])
def test_s_072_nobody_gives_more_than_they_are(actor):
    for role in GIVEN:
        field, reason = why_not_give(actor, Rights(role))
        assert (not reason) == (role in grantable(actor))
        assert bool(field) == bool(reason)
        may_be_above = GIVEN.index(role) >= GIVEN.index(actor) and actor != "superadmin"
        assert not (may_be_above and not reason), f"{actor} may not make somebody {role}"
        assert why_not_manage(actor, role, is_self=True)
    if actor not in ("admin", "superadmin"):
        assert grantable(actor) == ()


@pytest.mark.parametrize("role", ["viewer", "operator", "admin", "superadmin"])
def test_domains_go_with_member_and_analyst_only(role):
    assert why_not_give("superadmin", Rights(role, ("billing",)))[0] == "domains"
    assert why_not_give("superadmin", Rights("analyst", ("billing", "okr"))) == ("", "")
    assert why_not_give("superadmin", Rights("member", ("payroll",)))[0] == "domains"


# --- The list --------------------------------------------------------------------------------------------------------


def test_the_list_shows_everybody_with_role_license_and_ways_in(ada, cast, django_assert_max_num_queries):
    org = SalesforceOrg.objects.create(name="Acme")
    licenses.grant_license(org, user=cast.jane, actor=cast.ada, now=timezone.now())
    person(Rights("analyst", ("billing", "okr")), "dora")
    with django_assert_max_num_queries(22):
        page = ada.get("/people/").content.decode()
    for text in ("Jane Doe", "Ada Min", "Super admin", "Operator", "Analyst", "Acme", "Admin of key results, billing"):
        assert text in page, text
    before = len(ada.get("/people/").content)
    assert len(ada.get("/people/?q=jane").content) < before


@pytest.mark.parametrize("role", [*GIVEN, "domain"])
def test_the_role_filter_finds_whom_role_of_names(cast, role):
    for number, rights in enumerate([*map(Rights, GIVEN), Rights("member", ("okr",)), Rights("analyst", ("billing",))]):
        person(rights, f"p{number}")
    both = person(Rights("operator"), "both")
    both.groups.add(Group.objects.get_or_create(name=GROUPS["viewer"])[0])
    found = {each.pk for each in find_people(role=role)}
    everybody = [(user, changing.rights_of(user)) for user in User.objects.all()]
    wanted = {user.pk for user, rights in everybody if (rights.domains if role == "domain" else rights.role == role)}
    assert found == wanted


def test_the_list_needs_the_same_queries_for_any_number(cast, django_assert_num_queries):
    def read() -> list:
        return described(find_people())

    licenses.grant_license(SalesforceOrg.objects.create(name="Acme"), user=cast.jane, actor=cast.ada, now=timezone.now())
    with django_assert_num_queries(5):
        read()
    for number in range(12):
        person(Rights("analyst", ("billing",)), f"n{number}")
    with django_assert_num_queries(5):
        assert len(read()) == 17


# --- Inviting --------------------------------------------------------------------------------------------------------


def test_an_invited_person_chooses_a_password_once(ada, client, cast):
    answer = invite(ada, role="analyst", domains=["billing"])
    assert answer.status_code == 200
    path, nina = link_in(answer), User.objects.get(username="nina")
    assert changing.rights_of(nina) == Rights("analyst", ("billing",))
    assert not nina.has_usable_password()
    entry = AuditEntry.objects.get(action="user.created")
    assert (entry.actor_name, entry.after) == ("ada", {"role": "analyst", "domains": ["billing"], "is_active": True})
    assert path.rsplit("/", 2)[1] not in str(list(AuditEntry.objects.values())), "the link is a secret"
    client.logout()
    form = client.get(path, follow=True)
    chosen = {"new_password1": "winter-harbor-lamp", "new_password2": "winter-harbor-lamp"}
    assert client.post(form.redirect_chain[-1][0], chosen)["Location"] == "/accounts/login/"
    assert client.login(username="nina", password="winter-harbor-lamp", request=form.wsgi_request)
    client.logout()
    assert "does not work any more" in client.get(path, follow=True).content.decode()


def test_the_link_goes_by_mail_when_asked_and_is_not_shown_then(ada):
    answer = invite(ada, send="on")
    assert "set-password" not in answer.content.decode()
    assert (mail.outbox[0].to, "/accounts/set-password/" in mail.outbox[0].body) == (["nina@acme.example"], True)


def test_without_an_address_the_link_is_shown_instead(ada):
    answer = invite(ada, email="", send="on")
    assert "has no e-mail address" in answer.content.decode()
    assert link_in(answer)


def test_the_link_of_somebody_switched_off_is_dead(ada, client):
    path = link_in(invite(ada))
    User.objects.filter(username="nina").update(is_active=False)
    assert "does not work any more" in client.get(path, follow=True).content.decode()


@pytest.mark.parametrize(
    ("field", "value"),
    [("username", "JANE"), ("username", "a b c"), ("username", ""), ("email", "jane@acme.example"), ("email", "no"),
     ("role", "owner"), ("domains", ["payroll"])],
)  # fmt: skip
def test_a_wrong_invitation_names_the_field_and_makes_nobody(ada, field, value):
    before = User.objects.count()
    answer = invite(ada, **{field: value})
    assert answer.status_code == 400
    assert answer.context["form"].errors.keys() == {field}
    assert User.objects.count() == before


def test_s_072_extra_fields_of_an_invitation_do_nothing(ada):
    invite(ada, is_superuser="on", is_staff="on", groups="1", password="winter-harbor-lamp", id="1")
    nina = User.objects.get(username="nina")
    assert (nina.is_superuser, nina.is_staff, nina.has_usable_password(), role_of(nina)) == (False, False, False, "member")


# --- Rights ----------------------------------------------------------------------------------------------------------


def test_s_110_new_rights_count_at_once_and_are_in_the_audit(ada, cast, client):
    reader = type(client)()
    reader.force_login(cast.marsha, backend=BACKEND)
    assert reader.get("/runs/").status_code == 403
    ada.post(f"/people/{cast.marsha.pk}/rights/", {"role": "analyst", "domains": ["product"]})
    assert reader.get("/runs/").status_code == 200
    entry = AuditEntry.objects.get(action="user.rights_changed")
    assert entry.before == {"role": "member", "domains": [], "is_active": True}
    assert entry.after == {"role": "analyst", "domains": ["product"], "is_active": True}
    ada.post(f"/people/{cast.marsha.pk}/rights/", {"role": "analyst", "domains": ["product"]})
    assert AuditEntry.objects.filter(action="user.rights_changed").count() == 1, "the same again is no change"


def test_groups_that_mean_no_role_stay(cast):
    other = Group.objects.create(name="Choir")
    cast.olga.groups.add(other)
    changing.change_rights(cast.olga, Rights("member", ("okr",)), actor=cast.ada)
    assert set(cast.olga.groups.values_list("name", flat=True)) == {"Choir", DOMAIN_GROUPS["okr"]}
    changing.change_rights(cast.olga, Rights("superadmin"), actor=cast.ada)
    assert (again(cast.olga).is_superuser, again(cast.olga).is_staff) == (True, True)
    changing.change_rights(cast.olga, Rights("viewer"), actor=cast.ada)
    assert (role_of(again(cast.olga)), again(cast.olga).is_staff) == ("viewer", False)


@pytest.mark.parametrize("wanted", ["admin", "superadmin"])
def test_s_072_an_admin_raises_nobody_to_their_role_or_above(client, cast, ben, wanted):
    client.force_login(ben, backend=BACKEND)
    for user in (cast.marsha, ben, cast.ada):
        before = changing.rights_of(again(user))
        answer = client.post(f"/people/{user.pk}/rights/", {"role": wanted, "is_superuser": "on"})
        assert answer.status_code in (400, 403)
        assert changing.rights_of(again(user)) == before
    assert invite(client, role=wanted).status_code == 400
    assert not User.objects.filter(username="nina").exists()


@pytest.mark.parametrize("act", ["off", "link", "rights"])
def test_s_072_an_admin_touches_no_super_admin_and_nobody_themselves(client, cast, ben, act):
    for actor, target in ((ben, cast.ada), (ben, person(Rights("admin"), "bea")), (ben, ben), (cast.ada, cast.ada)):
        client.force_login(actor, backend=BACKEND)
        answer = client.post(f"/people/{target.pk}/{act}/", {"role": "member"})
        assert answer.status_code in (400, 403), (actor, target)
        assert again(target).is_active
        assert changing.rights_of(again(target)).role == changing.rights_of(target).role


def test_the_last_super_admin_stays(cast):
    other = person(Rights("superadmin"), "otto")
    User.objects.filter(pk=cast.ada.pk).update(is_active=False)  # an account that nobody can use saves nobody
    for verb in (
        lambda: changing.change_rights(other, Rights("member"), actor=again(cast.ada)),
        lambda: changing.switch_off(other, actor=again(cast.ada), now=timezone.now()),
    ):
        with pytest.raises(Refusal):
            verb()
    stale = again(cast.ada)
    stale.is_active = True  # a request that began before the account was switched off
    with pytest.raises(Refusal) as told:
        changing.change_rights(other, Rights("member"), actor=stale)
    assert told.value.code == "last_superadmin"
    assert again(other).is_superuser


def test_s_060_people_change_after_a_fresh_sign_in_only(ada, cast, settings):
    settings.FRESH_LOGIN_MINUTES = -1
    answer = ada.post(f"/people/{cast.marsha.pk}/rights/", {"role": "admin"})
    assert answer["Location"].startswith("/accounts/confirm/")
    assert ada.get("/people/new/")["Location"].startswith("/accounts/confirm/")
    answer = ada.patch(f"/api/v1/people/{cast.marsha.pk}/", {"role": "admin"}, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "fresh_sign_in_needed")
    assert role_of(again(cast.marsha)) == "member"


# --- Switching off ---------------------------------------------------------------------------------------------------


def test_s_054_switching_off_ends_sessions_keys_and_seats_by_the_next_request(ada, cast, client):
    org = SalesforceOrg.objects.create(name="Acme")
    licenses.grant_license(org, user=cast.jane, actor=cast.ada, now=timezone.now())
    _, secret = ApiKey.objects.create_key(name="Jane's", owner=cast.jane, scopes=["okr:read"])
    reader = type(client)()
    reader.force_login(cast.jane, backend=BACKEND)
    header = {"Authorization": f"Api-Key {secret}"}
    assert (reader.get("/okr/").status_code, reader.get("/api/v1/objectives/", headers=header).status_code) == (200, 200)
    page = ada.post(f"/people/{cast.jane.pk}/off/", follow=True).content.decode()
    assert "1 license freed" in page
    assert reader.get("/okr/").status_code == 302
    assert client.get("/api/v1/objectives/", headers=header).status_code in (401, 200)  # ada's session answers without the key
    assert type(client)().get("/api/v1/objectives/", headers=header).status_code == 401
    assert not License.objects.filter(user=cast.jane).exists()
    assert not changing.sessions_of(cast.jane, now=timezone.now())
    ada.post(f"/people/{cast.jane.pk}/on/")
    assert again(cast.jane).is_active
    actions = AuditEntry.objects.filter(target="jane", action__startswith="user.").values_list("action", flat=True)
    assert set(actions) == {"user.deactivated", "user.reactivated"}


# --- One's own page --------------------------------------------------------------------------------------------------


def test_a_viewer_changes_what_is_their_own(client):
    viewer = person(Rights("viewer"), "vera")
    viewer.set_password(PASSWORD)
    viewer.save()
    client.force_login(viewer, backend=BACKEND)
    assert client.get("/me/").status_code == 200
    client.post("/me/name/", {"first_name": "Vera", "last_name": "View", "email": "x@x.example", "is_superuser": "on"})
    stored = again(viewer)
    assert (stored.get_full_name(), stored.email, stored.is_superuser) == ("Vera View", viewer.email, False)
    wrong = client.post(
        "/me/password/", {"old_password": "no", "new_password1": "lamp-harbor-9", "new_password2": "lamp-harbor-9"}
    )
    assert wrong.status_code == 400
    right = {"old_password": PASSWORD, "new_password1": "winter-harbor-lamp", "new_password2": "winter-harbor-lamp"}
    assert client.post("/me/password/", right).status_code == 302
    assert client.get("/me/").status_code == 200, "this session goes on"
    assert again(viewer).check_password("winter-harbor-lamp")


def test_signing_out_everywhere_else_leaves_this_session(client, cast):
    others = [type(client)() for _ in range(2)]
    for each in (client, *others):
        each.force_login(cast.jane, backend=BACKEND)
    stranger = type(client)()
    stranger.force_login(cast.marsha, backend=BACKEND)
    assert client.get("/me/").content.decode().count("Another browser or device") == 2
    client.post("/me/sign-out/")
    assert [each.get("/okr/").status_code for each in (client, *others, stranger)] == [200, 302, 302, 200]
    assert Session.objects.count() == 2


def test_one_revokes_only_ones_own_keys(client, cast):
    own, secret = ApiKey.objects.create_key(name="Mine", owner=cast.jane, scopes=["okr:read"])
    other, _ = ApiKey.objects.create_key(name="Hers", owner=cast.ada, scopes=["okr:read"])
    client.force_login(cast.jane, backend=BACKEND)
    page = client.get("/me/").content.decode()
    assert "Mine" in page
    assert "Hers" not in page
    assert client.post(f"/me/keys/{other.prefix}/revoke/").status_code == 404
    assert client.post(f"/me/keys/{own.prefix}/revoke/").status_code == 302
    assert type(client)().get("/api/v1/objectives/", headers={"Authorization": f"Api-Key {secret}"}).status_code == 401
    assert not ApiKey.objects.get(pk=other.pk).revoked


# --- The API ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def api(client, cast):
    """Requests with a key of the super admin."""
    _, secret = ApiKey.objects.create_key(name="People", owner=cast.ada, scopes=["people:read", "people:write"])

    def send(method: str, path: str = "", data: dict | None = None, key: str = secret):
        header = {"Authorization": f"Api-Key {key}"}
        return getattr(client, method)(f"/api/v1/people/{path}", data, content_type="application/json", headers=header)

    return send


def test_the_api_lists_invites_changes_and_switches_off(api, cast):
    made = api("post", data={"username": "nina", "role": "member", "domains": ["okr"], "is_superuser": True, "id": 1})
    assert made.status_code == 201, made.content
    nina = made.json()
    assert (nina["role"], nina["domains"], nina["signs_in_with"]) == ("member", ["okr"], [])
    assert api("patch", f"{nina['id']}/", {"role": "viewer"}).json()["role"] == "viewer"
    assert "/accounts/set-password/" in api("post", f"{nina['id']}/link/").json()["link"]
    assert api("post", f"{nina['id']}/deactivate/").json()["is_active"] is False
    assert "nina" not in str(api("get").json())
    assert "nina" in str(api("get", "?state=off").json())
    assert api("post", f"{nina['id']}/reactivate/").json()["is_active"] is True
    assert not User.objects.get(username="nina").is_superuser


def test_the_api_names_the_wrong_field(api, cast):
    for data, field in (
        ({"username": "jane", "role": "member"}, "username"),
        ({"username": "nina", "role": "king"}, "role"),
        ({"username": "nina", "role": "operator", "domains": ["okr"]}, "domains"),
        ({"role": "member"}, "username"),
    ):
        answer = api("post", data=data)
        assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, [field]), data
    assert api("get", "?role=king").status_code == 400


def test_s_072_the_api_lets_an_admin_raise_nobody(api, client, cast, ben):
    _, secret = ApiKey.objects.create_key(name="Ben's", owner=ben, scopes=["people:read", "people:write"])
    for target, role in ((ben, "superadmin"), (cast.marsha, "admin"), (cast.ada, "member"), (cast.marsha, "superadmin")):
        before = changing.rights_of(again(target))
        answer = api("patch", f"{target.pk}/", {"role": role, "is_superuser": True}, key=secret)
        assert answer.status_code == 403, (target, role)
        assert changing.rights_of(again(target)) == before
    assert api("post", f"{cast.ada.pk}/link/", key=secret).status_code == 403, "a link would be a way into the account"
    assert api("patch", f"{cast.marsha.pk}/", {"role": "operator"}, key=secret).status_code == 200
    changing.change_rights(ben, Rights("operator"), actor=cast.ada)
    assert api("get", key=secret).status_code == 403, "a key has its owner's present role"
