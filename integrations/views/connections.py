"""Pages of connections: list, wizard in four steps, health card, and everything a person can do to one."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from social_core.actions import do_auth
from social_django.utils import load_backend, load_strategy

from integrations import audit, connection_pages
from integrations import disconnect as ending
from integrations.access import Refusal, access, has_role
from integrations.chosen_org import choose_org
from integrations.form_tokens import sent_once
from integrations.forms import CREDENTIAL_FORMS, ConfirmNameForm, EnvironmentForm, SettingsForm
from integrations.fresh import fresh_login, mark_fresh, own_path
from integrations.models import Run, SalesforceOrg
from integrations.orgs import demo, lifecycle, oauth, posture, setup_guide, sign_in
from integrations.queries import id_in
from integrations.salesforce.errors import SalesforceError
from integrations.salesforce.hosts import HostRefused
from integrations.sync import jobs, runs

Method = SalesforceOrg.LoginMethod
TABS = {
    Method.WEB: "Browser (OAuth)",
    Method.JWT: "JWT certificate",
    Method.CLIENT_CREDENTIALS: "Client credentials",
    Method.PASSWORD: "Password (legacy)",
}
Trouble = (Refusal, SalesforceError, HostRefused)


def _who(request: HttpRequest) -> dict[str, Any]:
    """Who does it and from where, for the audit."""
    return {"actor": request.user, "address": audit.address_of(request)}


def _org(pk: int) -> SalesforceOrg:
    return get_object_or_404(SalesforceOrg.objects.select_related("authorized_by"), pk=pk)


# --- list and health card -----------------------------------------------------------------------------------------------


@require_safe
@access("member")
def connection_list(request: HttpRequest) -> HttpResponse:
    """Every connection with its state, those that need somebody first."""
    return render(request, "connections/list.html", connection_pages.read_list(now=timezone.now()))


@require_POST
@access("viewer")
def connection_choose(request: HttpRequest) -> HttpResponse:
    """Show one connection, or all of them, on every list from now on (the switch in the top bar)."""
    text = request.POST.get("org", "")
    try:
        choose_org(request, (id_in(text) or 0) if text else None)
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return HttpResponseRedirect(own_path(request, request.POST.get("next"), "/"))


@require_safe
@access("member")
def connection(request: HttpRequest, pk: int) -> HttpResponse:
    """The health card (sketch C)."""
    context = connection_pages.read_card(_org(pk), now=timezone.now())
    context["may_operate"], context["may_admin"] = has_role(request.user, "operator"), has_role(request.user, "admin")
    context["failed_logins"] = setup_guide.FAILED_LOGINS
    return render(request, "connections/detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access("admin")
def connection_settings(request: HttpRequest, pk: int) -> HttpResponse:
    """Name, environment, switches."""
    org = _org(pk)
    form = SettingsForm(request.POST or None, instance=org)
    if request.method == "POST" and form.is_valid():
        lifecycle.change_connection(_org(pk), {name: form.cleaned_data[name] for name in form.changed_data}, **_who(request))
        messages.success(request, "Saved.")
        return redirect("integrations:connection", pk=pk)
    return render(request, "connections/settings.html", {"org": _org(pk), "form": form})


# --- wizard -------------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@access("admin")
@fresh_login
def connection_new(request: HttpRequest) -> HttpResponse:
    """Step 1: choose the org."""
    form = EnvironmentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with sent_once(request) as sending:
            if sending.is_repeat:
                return HttpResponseRedirect(sending.url or reverse("integrations:connections"))
            data = form.cleaned_data
            org = lifecycle.create_connection(
                name=data["name"],
                environment=data["environment"],
                login_url=data["login_url"],
                now=timezone.now(),
                **_who(request),
            )
            sending.led_to(reverse("integrations:connection_credentials", kwargs={"pk": org.pk}))
            return HttpResponseRedirect(sending.url)
    return render(request, "connections/step_environment.html", {"form": form, "step": 1})


@require_http_methods(["GET", "HEAD", "POST"])
@access("admin")
@fresh_login
def connection_environment(request: HttpRequest, pk: int) -> HttpResponse:
    """Step 1 again, for a connection that is being set up."""
    org = _org(pk)
    form = EnvironmentForm(request.POST or None, org=org)
    if request.method == "POST" and form.is_valid():
        changes = {name: form.cleaned_data[name] for name in ("name", "environment", "login_url")}
        try:
            lifecycle.change_connection(org, changes, **_who(request))
        except Trouble as error:
            form.add_error(None, str(error))
        else:
            return redirect("integrations:connection_credentials", pk=pk)
    return render(request, "connections/step_environment.html", {"form": form, "org": org, "step": 1})


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@access("admin")
@fresh_login
def connection_credentials(request: HttpRequest, pk: int) -> HttpResponse:
    """Step 2: what the Salesforce administrator does, the credentials, and signing in."""
    org = _org(pk)
    method = request.POST.get("method") or request.GET.get("method") or org.login_method
    if method not in CREDENTIAL_FORMS:
        method = Method.WEB
    is_demo = org.environment == SalesforceOrg.Environment.DEMO and demo.is_offered()
    form = CREDENTIAL_FORMS[method](request.POST or None, org=org)
    if request.method == "POST":
        try:
            if is_demo and "fill" in request.POST:
                found = demo.credentials_for(method)
                lifecycle.save_credentials(
                    org,
                    method=method,
                    client_id=found.client_id,
                    username=found.username,
                    secrets=found.secrets,
                    **_who(request),
                )
                return _authorize(request, org)
            if form.is_valid():
                _save_form(request, org, method, form)
                return redirect("integrations:connection", pk=pk) if "later" in request.POST else _authorize(request, org)
        except Trouble as error:
            form.add_error(None, str(error))
    context = {"org": org, "form": form, "method": method, "is_demo": is_demo, "step": 2, "methods": _methods(method)}
    context |= {"callback_url": _callback_url(request), "soap_notice": setup_guide.soap_notice()}
    context["guide"] = setup_guide.steps_for(method, callback_url=context["callback_url"])
    return render(request, "connections/step_sign_in.html", context)


def _methods(chosen: str) -> list[dict[str, Any]]:
    return [{"value": value, "label": label, "current": value == chosen} for value, label in TABS.items()]


def _callback_url(request: HttpRequest) -> str:
    """Exactly what social-auth sends as redirect_uri."""
    strategy = load_strategy(request)
    return strategy.absolute_uri(reverse("social:complete", args=(oauth.SalesforceConnectionOAuth2.name,)))


def _save_form(request: HttpRequest, org: SalesforceOrg, method: str, form: Any) -> None:
    if "host" in form.cleaned_data and form.cleaned_data["host"] != org.login_url:
        lifecycle.change_connection(org, {"login_url": form.cleaned_data["host"]}, **_who(request))
    lifecycle.save_credentials(org, method=method, secrets=form.secrets(), **form.texts(), **_who(request))


@require_POST
@access("admin")
@fresh_login
def connection_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a key pair for the JWT method; only the certificate is shown."""
    try:
        lifecycle.make_key_pair(_org(pk), now=timezone.now(), **_who(request))
        messages.success(request, "Key made. Upload the certificate to the app in Salesforce.")
    except Refusal as error:
        messages.error(request, error.message)
    return HttpResponseRedirect(reverse("integrations:connection_credentials", kwargs={"pk": pk}) + "?method=jwt#certificate")


@require_POST
@access("admin")
@fresh_login
def connection_authorize(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign in (again) with the stored credentials."""
    org = _org(pk)
    if not sign_in.has_credentials(org) and not (org.login_method == Method.WEB and org.client_id):
        messages.info(request, "Enter the credentials first.")
        return redirect("integrations:connection_credentials", pk=pk)
    try:
        return _authorize(request, org)
    except Trouble as error:
        messages.error(request, str(error))
        return redirect("integrations:connection_credentials", pk=pk)


def _authorize(request: HttpRequest, org: SalesforceOrg) -> HttpResponse:
    """The browser goes to Salesforce, or a headless method signs in at once; both end at the access check."""
    after = reverse("integrations:reauthorize") if request.POST.get("after") == "reauthorize" else ""
    if org.login_method != Method.WEB:
        lifecycle.authorize(org, now=timezone.now(), **_who(request))
        messages.success(request, f"{org.name} is connected.")
        return HttpResponseRedirect(after or reverse("integrations:connection_check", kwargs={"pk": org.pk}))
    request.session[oauth.CONNECTION_KEY] = org.pk
    request.session[oauth.AFTER_KEY] = after
    name = oauth.SalesforceConnectionOAuth2.name
    backend = load_backend(load_strategy(request), name, redirect_uri=reverse("social:complete", args=(name,)))
    return do_auth(backend, redirect_name="next", user=request.user)  # pyright: ignore[reportArgumentType]


@require_safe
@access("admin")
def connection_check(request: HttpRequest, pk: int) -> HttpResponse:
    """Step 3: what the integration user may do."""
    org = _org(pk)
    if org.state == SalesforceOrg.State.NEW and not org.posture_at:
        messages.info(request, "Sign in first; then the access can be checked.")
        return redirect("integrations:connection_credentials", pk=pk)
    findings = posture.findings_of(org)
    return render(
        request,
        "connections/step_check.html",
        {"org": org, "findings": findings, "ready": posture.is_ready(findings), "step": 3},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@access("admin")
def connection_first_sync(request: HttpRequest, pk: int) -> HttpResponse:
    """Step 4: start every job of the connection once and watch."""
    org = _org(pk)
    if request.method == "POST":
        if not org.is_connected:
            messages.error(request, "Sign in first.")
            return redirect("integrations:connection_credentials", pk=pk)
        person: Any = request.user
        for job in jobs.every():
            if job.per_org and not job.by_hand and job.enabled(org):
                runs.request_run(job.name, org=org, trigger=Run.Trigger.MANUAL, user=person, now=timezone.now())
        audit.record("run.started", target=f"first sync of {org.name}", **_who(request))
        return redirect("integrations:connection_first_sync", pk=pk)
    every = connection_pages.read_lines(org)
    lines = connection_pages.shown_lines(every)
    if org.state == SalesforceOrg.State.NEW:  # nothing can have run: the wizard goes on where it stopped
        return redirect("integrations:connection_credentials", pk=pk)
    context = {"org": org, "lines": lines, "switched_off": len(every) - len(lines), "step": 4}
    context["active"] = any(line.last and line.last.is_active for line in context["lines"])
    if request.headers.get("HX-Request"):
        return render(request, "connections/first_sync_lines.html", context, status=200 if context["active"] else 286)
    return render(request, "connections/step_first_sync.html", context)


# --- verbs ----------------------------------------------------------------------------------------------------------------


@require_POST
@access("operator")
def connection_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask Salesforce now; the answer stands on the page, in words with the fix."""
    org = _org(pk)
    findings = lifecycle.check_connection(org, now=timezone.now(), **_who(request))
    missing = [each for each in findings if each.ok is False]
    if not missing:
        messages.success(request, f"{org.name} works: everything that is needed can be read.")
    else:
        messages.error(request, f"{org.name}: {missing[0].sentence} {missing[0].fix}".strip())
    back = request.POST.get("back")
    name = "integrations:connection_check" if back == "check" and has_role(request.user, "admin") else "integrations:connection"
    return redirect(name, pk=pk)


@require_POST
@access("operator")
def connection_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop all work of the connection until it is resumed."""
    org = _org(pk)
    try:
        ending.pause(org, now=timezone.now(), **_who(request))
        messages.success(request, f"{org.name} is paused. Values stay as they are and age.")
    except Refusal as error:
        messages.error(request, error.message)
    return redirect("integrations:connection", pk=pk)


@require_POST
@access("operator")
def connection_resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on, if the test passes."""
    org = _org(pk)
    try:
        lifecycle.resume(org, now=timezone.now(), **_who(request))
        messages.success(request, f"{org.name} is connected and goes on with its next slot.")
    except Trouble as error:
        messages.error(request, str(error))
    return redirect("integrations:connection", pk=pk)


@require_POST
@access("admin")
@fresh_login
def connection_disconnect(request: HttpRequest, pk: int) -> HttpResponse:
    """Erase the secrets, stop the runs, tell Salesforce. The name is typed by hand."""
    org = _org(pk)
    form = ConfirmNameForm(request.POST, expected=org.name)
    if not form.is_valid():
        messages.error(request, str(form.errors["confirm"][0]))
        return redirect("integrations:connection", pk=pk)
    if ending.disconnect(org, now=timezone.now(), **_who(request)):
        messages.success(request, f"{org.name} is disconnected; its authorization was revoked at Salesforce.")
    else:
        messages.warning(
            request, f"{org.name} is disconnected. Salesforce could not be told yet; that is tried again by itself."
        )
    return redirect("integrations:connection", pk=pk)


@require_POST
@access("admin")
@fresh_login
def connection_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove a disconnected connection and all that hangs on it (R-287)."""
    org = _org(pk)
    form = ConfirmNameForm(request.POST, expected=org.name)
    try:
        if not form.is_valid():
            raise Refusal("not_confirmed", str(form.errors["confirm"][0]))
        lifecycle.delete_connection(org, **_who(request))
    except Refusal as error:
        messages.error(request, error.message)
        return redirect("integrations:connection", pk=pk)
    messages.success(request, f"{org.name} was deleted.")
    return redirect("integrations:connections")


@require_http_methods(["GET", "HEAD", "POST"])
@access("superadmin")
@fresh_login
def revoke_all(request: HttpRequest) -> HttpResponse:
    """The emergency button: every connection is disconnected and revoked (S-008)."""
    form = ConfirmNameForm(request.POST or None, expected="revoke all")
    if request.method == "POST" and form.is_valid():
        done, pending = ending.revoke_all(now=timezone.now(), **_who(request))
        messages.success(
            request, f"{done} connections were disconnected; {pending} revocations are still being sent to Salesforce."
        )
        return redirect("integrations:connections")
    orgs = connection_pages.revocable()
    return render(request, "connections/revoke_all.html", {"form": form, "orgs": orgs})


@require_safe
@access("admin")
def reauthorize(request: HttpRequest) -> HttpResponse:
    """One page to authorize everything that lost its grant (R-024)."""
    return render(request, "connections/reauthorize.html", connection_pages.read_broken())


# --- people ---------------------------------------------------------------------------------------------------------------


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@access("viewer")
def confirm_login(request: HttpRequest) -> HttpResponse:
    """Ask for the password again before something sensitive (S-060); throttled like any sign-in (S-056)."""
    target = own_path(request, request.POST.get("next") or request.GET.get("next"), reverse("integrations:connections"))
    error = ""
    if request.method == "POST":
        name = request.user.get_username()
        user = authenticate(request, username=name, password=request.POST.get("password", ""))
        if user is not None and user.pk == request.user.pk:
            mark_fresh(request)
            request.session.cycle_key()
            audit.record("login.confirmed", **_who(request))
            return HttpResponseRedirect(target)
        error = "This password is not right."
    has_password = request.user.has_usable_password()  # pyright: ignore[reportAttributeAccessIssue]
    return render(request, "connections/confirm_login.html", {"next": target, "error": error, "has_password": has_password})


@require_safe
@access("anonymous")
def sign_in_with_salesforce(request: HttpRequest) -> HttpResponse:
    """Which org to sign in with; the buttons begin the flow."""
    target = own_path(request, request.GET.get("next"), "")
    context = {"orgs": oauth.sign_in_orgs(), "next": target, "backend": oauth.SalesforceSignIn.name}
    return render(request, "connections/sign_in.html", context)
