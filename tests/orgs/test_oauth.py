"""The browser flows: authorizing a connection, and people signing in with Salesforce."""

from urllib.parse import urlencode, urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.messages import get_messages
from social_django.models import UserSocialAuth

from integrations.fresh import own_path
from integrations.models import AuditEntry, OrgSecret, SalesforceIdentity, SalesforceOrg
from integrations.orgs import demo, lifecycle, vault
from integrations.orgs.vault import Kind
from tests.cast import PASSWORD
from tests.orgs.browser import approve, query_of

COMPLETE = "/oauth/complete/salesforce-connection/"
Method = SalesforceOrg.LoginMethod


@pytest.fixture
def new_org(demo_org, db, now) -> SalesforceOrg:
    """Credentials are in, nothing is authorized."""
    found = demo.credentials_for(Method.WEB)
    org = lifecycle.create_connection(name="Web", environment="demo", login_url=demo_org.url, now=now)
    lifecycle.save_credentials(org, method=Method.WEB, client_id=found.client_id, secrets=found.secrets)
    return org


def integration_user(demo_org) -> dict:
    return next(each for each in demo_org.info()["users"] if "integration" in each["username"])


def begin(client, org) -> str:
    answer = client.post(f"/connections/{org.pk}/authorize/")
    assert answer.status_code == 302, answer.content[-500:]
    return answer["Location"]


def texts(answer) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def come_back(client, callback: str):
    return client.get(f"{COMPLETE}?{urlsplit(callback).query}")


def test_s_009_the_scope_is_no_wider_than_needed(ada, new_org):
    query = query_of(begin(ada, new_org))
    assert set(query["scope"].split()) == {"api", "refresh_token", "id"}


def test_s_010_pkce_s256_with_a_verifier_for_each_attempt(ada, new_org):
    first, second = query_of(begin(ada, new_org)), query_of(begin(ada, new_org))
    assert first["code_challenge_method"] == "S256"
    assert len(first["code_challenge"]) == 43
    assert first["code_challenge"] != second["code_challenge"]
    assert first["state"] != second["state"]


def test_bw_23_the_whole_flow_connects_and_checks_access(ada, new_org, demo_org, cast):
    demo_org.settings(require_pkce=True)
    answer = come_back(ada, approve(begin(ada, new_org), integration_user(demo_org)))
    assert answer["Location"] == f"/connections/{new_org.pk}/check/"
    new_org.refresh_from_db()
    assert (new_org.state, new_org.authorized_by) == ("connected", cast.ada)
    assert new_org.posture_at is not None
    assert not UserSocialAuth.objects.exists()


def test_i_14_after_the_flow_no_token_is_in_session_or_social_tables(ada, new_org, demo_org):
    come_back(ada, approve(begin(ada, new_org), integration_user(demo_org)))
    secrets = [vault.read(new_org, kind) for kind in (Kind.ACCESS_TOKEN, Kind.REFRESH_TOKEN, Kind.CLIENT_SECRET)]
    kept = str(dict(ada.session))
    assert all(secret not in kept for secret in secrets)
    assert "code_verifier" not in kept


def test_s_050_without_state_nothing_is_connected(ada, new_org, demo_org):
    callback = approve(begin(ada, new_org), integration_user(demo_org))
    code = query_of(callback)["code"]
    answer = ada.get(f"{COMPLETE}?{urlencode({'code': code})}")
    assert answer.status_code == 302
    new_org.refresh_from_db()
    assert new_org.state == "new"


def test_s_050_a_state_of_another_session_is_refused(ada, new_org, demo_org, cast):
    from django.test import Client

    other = Client(SERVER_NAME="localhost")
    other.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    callback = approve(begin(ada, new_org), integration_user(demo_org))
    begin(other, new_org)
    assert come_back(other, callback).status_code == 302
    new_org.refresh_from_db()
    assert new_org.state == "new"


def test_s_050_a_state_used_twice_is_refused(ada, new_org, demo_org):
    callback = approve(begin(ada, new_org), integration_user(demo_org))
    come_back(ada, callback)
    lifecycle.cut_connection(SalesforceOrg.objects.get(pk=new_org.pk), now=new_org.state_since)
    answer = come_back(ada, callback)
    assert answer.status_code == 302
    assert "start" in texts(answer).lower() or "begin" in texts(answer).lower()
    new_org.refresh_from_db()
    assert new_org.state == "disconnected"


def test_s_050_a_code_used_twice_is_refused(ada, new_org, demo_org):
    callback = approve(begin(ada, new_org), integration_user(demo_org))
    code = query_of(callback)["code"]
    come_back(ada, callback)
    first = vault.read(new_org, Kind.ACCESS_TOKEN)
    state = query_of(begin(ada, new_org))["state"]
    answer = ada.get(f"{COMPLETE}?{urlencode({'code': code, 'state': state})}")
    assert answer["Location"] == f"/connections/{new_org.pk}/sign-in/"
    assert vault.read(new_org, Kind.ACCESS_TOKEN) == first


def test_s_050_a_callback_without_a_beginning_is_refused(ada, new_org):
    answer = ada.get(f"{COMPLETE}?code=x&state=y")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/")


def test_s_050_somebody_who_is_no_admin_can_neither_begin_nor_complete(client, new_org, cast):
    assert client.get(f"{COMPLETE}?code=x&state=y").status_code == 302
    client.force_login(cast.olga, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(f"/connections/{new_org.pk}/authorize/").status_code == 403
    assert client.post("/oauth/login/salesforce-connection/").status_code == 302
    answer = client.get(f"{COMPLETE}?code=x&state=y")
    assert answer["Location"] == "/connections/"
    assert "administrators" in texts(answer)


def test_a_person_who_denies_access_is_told_and_nothing_changes(ada, new_org, demo_org):
    answer = come_back(ada, approve(begin(ada, new_org), integration_user(demo_org), allow=False))
    assert "denied" in texts(answer)
    new_org.refresh_from_db()
    assert new_org.state == "new"


def test_an_app_that_the_org_has_not_approved_is_explained(ada, new_org, demo_org):
    demo_org.control(f"oauth-clients/{new_org.client_id}", {"policy": "admin"}, method="PATCH")
    answer = come_back(ada, approve(begin(ada, new_org), integration_user(demo_org)))
    assert "permission set" in texts(answer)


def test_s_035_markup_from_the_callback_is_only_text(ada, new_org):
    state = query_of(begin(ada, new_org))["state"]
    query = urlencode({"error": "server_error", "error_description": "<img src=x onerror=alert(1)>", "state": state})
    answer = ada.get(f"{COMPLETE}?{query}", follow=True)
    assert b"<img src=x" not in answer.content


def test_r_008_a_wrong_secret_in_the_flow_names_the_app(ada, new_org, demo_org):
    vault.store(new_org, Kind.CLIENT_SECRET, "x" * 64)
    answer = come_back(ada, approve(begin(ada, new_org), integration_user(demo_org)))
    assert "client" in texts(answer)
    assert answer["Location"] == f"/connections/{new_org.pk}/sign-in/"


EVIL = [
    "//evil.example",
    "/\\evil.example",
    "https:evil.example",
    "https://evil.example",
    "%2f%2fevil.example",
    "/%2fevil.example",
    "https://localhost@evil.example",
    "http:///evil.example",
    "javascript:alert(1)",
    "///evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "https://localhost.evil.example",
    "//evil.example%2f@localhost",
    "//evil。example",
]


@pytest.mark.parametrize("target", EVIL)
def test_s_051_the_connection_flow_never_leaves_the_own_host(ada, new_org, target):
    answer = ada.get(f"{COMPLETE}?{urlencode({'code': 'x', 'state': 'y', 'next': target})}")
    assert urlsplit(answer["Location"]).netloc in {"", "localhost"}
    assert "evil" not in answer["Location"]


@pytest.mark.parametrize("target", EVIL)
def test_s_051_the_confirmation_never_leaves_the_own_host(ada, target):
    answer = ada.post("/accounts/confirm/", {"password": PASSWORD, "next": target})
    assert answer.status_code == 302
    assert urlsplit(answer["Location"]).netloc == ""
    assert not answer["Location"].startswith(("//", "/\\"))


# --- Sign in with Salesforce ------------------------------------------------------------------------------------------


@pytest.fixture
def open_org(new_org, ada, demo_org) -> SalesforceOrg:
    """Connected, and people may sign in with it."""
    come_back(ada, approve(begin(ada, new_org), integration_user(demo_org)))
    lifecycle.change_connection(SalesforceOrg.objects.get(pk=new_org.pk), {"sign_in_enabled": True})
    ada.logout()
    return SalesforceOrg.objects.get(pk=new_org.pk)


def sign_in(client, org, person: dict, **form):
    answer = client.post("/oauth/login/salesforce-signin/", {"org": org.pk, **form})
    assert query_of(answer["Location"])["scope"] == "openid id"
    callback = approve(answer["Location"], person)
    return client.get(f"/oauth/complete/salesforce-signin/?{urlsplit(callback).query}")


def link(user: User, org: SalesforceOrg, person: dict) -> None:
    SalesforceIdentity.objects.create(
        user=user, org_id=org.org_id, salesforce_user_id=person["user_id"], username=person["username"]
    )


def test_s_054_a_linked_person_signs_in_with_a_new_session(client, open_org, demo_org, cast):
    person = demo_org.user("Standard")
    link(cast.jane, open_org, person)
    client.get("/accounts/salesforce/")
    before = client.session.session_key
    answer = sign_in(client, open_org, person, next="/okr/")
    assert answer["Location"] == "/okr/"
    assert client.session["_auth_user_id"] == str(cast.jane.pk)
    assert client.session.session_key != before
    assert not UserSocialAuth.objects.exists()
    assert OrgSecret.objects.filter(kind="access_token").count() == 1
    assert AuditEntry.objects.get(action="signin.salesforce").actor == cast.jane


def test_a_deactivated_person_does_not_get_in(client, open_org, demo_org, cast):
    person = demo_org.user("Standard")
    link(cast.jane, open_org, person)
    User.objects.filter(pk=cast.jane.pk).update(is_active=False)
    answer = sign_in(client, open_org, person)
    assert "_auth_user_id" not in client.session
    assert answer["Location"] == "/accounts/login/"


def test_an_unknown_person_is_not_let_in_and_no_account_is_made(client, open_org, demo_org, cast):
    count = User.objects.count()
    answer = sign_in(client, open_org, demo_org.user("Standard"))
    assert "no account" in texts(answer)
    assert User.objects.count() == count
    assert AuditEntry.objects.filter(action="signin.refused").exists()


def claims_of(demo_org, person: dict, email: str, verified: bool = True) -> None:
    body = {
        "sub": f"{demo_org.url}/id/x",
        "user_id": person["user_id"],
        "preferred_username": person["username"],
        "email": email,
        "email_verified": verified,
        "given_name": "New",
        "family_name": "Person",
    }
    demo_org.fault(path="/oauth2/userinfo", status=200, body=body)


def test_a_verified_email_of_one_member_links_the_account(client, open_org, demo_org, cast):
    person = demo_org.user("Standard")
    claims_of(demo_org, person, "JANE@acme.example")
    sign_in(client, open_org, person)
    assert client.session["_auth_user_id"] == str(cast.jane.pk)
    assert SalesforceIdentity.objects.get(user=cast.jane).salesforce_user_id == person["user_id"]


def test_an_unverified_email_links_nothing(client, open_org, demo_org, cast):
    person = demo_org.user("Standard")
    claims_of(demo_org, person, "jane@acme.example", verified=False)
    sign_in(client, open_org, person)
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("name", ["ada", "olga", "ana"])
def test_accounts_with_more_rights_are_never_found_by_email(client, open_org, demo_org, cast, name):
    person = demo_org.user("Standard")
    claims_of(demo_org, person, f"{name}@acme.example")
    sign_in(client, open_org, person)
    assert "_auth_user_id" not in client.session


def test_members_are_made_only_if_the_settings_say_so_and_never_as_admins(client, open_org, demo_org, cast, settings):
    settings.SOCIAL_AUTH_SALESFORCE_SIGNIN_CREATE_MEMBERS = True
    person = demo_org.user("System Administrator")
    claims_of(demo_org, person, "new@acme.example")
    sign_in(client, open_org, person)
    made = User.objects.get(email="new@acme.example")
    assert (made.is_superuser, made.is_staff, made.groups.count(), made.has_usable_password()) == (False, False, 0, False)


@pytest.mark.parametrize("group", ["Admins", "Viewers", "Admins of billing"])
def test_admins_of_a_domain_and_viewers_are_never_found_by_email_either(client, open_org, demo_org, cast, group):
    cast.jane.groups.add(Group.objects.get_or_create(name=group)[0])
    person = demo_org.user("Standard")
    claims_of(demo_org, person, "jane@acme.example")
    sign_in(client, open_org, person)
    assert "_auth_user_id" not in client.session


def test_new_people_are_viewers_where_the_settings_say_so(client, open_org, demo_org, cast, settings):
    settings.SOCIAL_AUTH_SALESFORCE_SIGNIN_CREATE_MEMBERS = True
    settings.SOCIAL_AUTH_SALESFORCE_SIGNIN_NEW_ROLE = "viewer"
    person = demo_org.user("Standard")
    claims_of(demo_org, person, "new@acme.example")
    sign_in(client, open_org, person)
    made = User.objects.get(email="new@acme.example")
    assert list(made.groups.values_list("name", flat=True)) == ["Viewers"]


def test_an_org_that_is_not_open_for_it_cannot_be_used(client, open_org):
    lifecycle.change_connection(open_org, {"sign_in_enabled": False})
    answer = client.post("/oauth/login/salesforce-signin/", {"org": open_org.pk})
    assert answer["Location"] == "/accounts/login/"


@pytest.mark.parametrize("target", EVIL)
def test_s_051_only_paths_of_the_own_host_are_ways_back(rf, target):
    request = rf.get("/", SERVER_NAME="localhost")
    found = own_path(request, target, "/home/")
    assert found == "/home/" or (found.startswith("/%2f") and urlsplit(f"http://localhost{found}").hostname == "localhost")
    assert own_path(request, "/okr/?a=1#b", "/home/") == "/okr/?a=1#b"
    assert own_path(request, None, "/home/") == "/home/"


def test_s_051_even_a_forged_session_target_is_checked_after_signing_in(client, open_org, demo_org, cast):
    person = demo_org.user("Standard")
    link(cast.jane, open_org, person)
    answer = client.post("/oauth/login/salesforce-signin/", {"org": open_org.pk})
    session = client.session
    session["next"] = "//evil.example"
    session.save()
    callback = approve(answer["Location"], person)
    answer = client.get(f"/oauth/complete/salesforce-signin/?{urlsplit(callback).query}")
    assert answer["Location"] == "/"
