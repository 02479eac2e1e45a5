"""Forms of the connection pages. Secrets are write-only: a stored one is never rendered, an empty field keeps it."""

from typing import Any

from django import forms
from django.conf import settings

from integrations.models import SalesforceOrg
from integrations.orgs import vault
from integrations.salesforce.hosts import HostRefused, is_sandbox, normalize_login_url

Method = SalesforceOrg.LoginMethod
Environment = SalesforceOrg.Environment
Kind = vault.Kind

PLACES = (
    ("production", "Production"),
    ("sandbox", "Sandbox"),
    ("my_domain", "My Domain"),
    ("demo", "Demo org"),
)
PLACE_HELP = {
    "production": "Sign in at login.salesforce.com. Also Developer Edition.",
    "sandbox": "Sign in at test.salesforce.com.",
    "my_domain": "Your org's own address; needed where the shared sign-in pages are switched off, and for client credentials.",
    "demo": "A practice org on this machine: nothing to install, nothing to break.",
}
LOGIN_HOSTS = {"production": "https://login.salesforce.com", "sandbox": "https://test.salesforce.com"}


def read_host(text: str) -> str:
    """The canonical sign-in address in whatever was pasted (BW-D5); a form error with the reason otherwise."""
    try:
        return normalize_login_url(text, demo_origin=settings.DEMO_ORG_URL)
    except HostRefused as error:
        raise forms.ValidationError(str(error), code="host_refused") from error


class EnvironmentForm(forms.Form):
    """Step 1: which org, and what people here call it."""

    place = forms.ChoiceField(label="Where is the org?", choices=PLACES, widget=forms.RadioSelect)
    host = forms.CharField(
        label="Host URL",
        required=False,
        max_length=2048,
        help_text="Paste any address from your browser while you are in Salesforce. Needed for My Domain.",
        widget=forms.TextInput(
            attrs={"inputmode": "url", "spellcheck": "false", "placeholder": "https://acme.my.salesforce.com"}
        ),
    )
    name = forms.CharField(
        label="Name",
        required=False,
        max_length=80,
        help_text="How people here call this connection, such as “Acme production”.",
    )

    def __init__(self, *args: Any, org: SalesforceOrg | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.org = org
        offered = [choice for choice in PLACES if choice[0] != "demo" or settings.DEMO_ORG_URL]
        self.fields["place"].choices = offered  # type: ignore[attr-defined]
        if org is not None:
            self.initial |= {
                "place": _place_of(org),
                "host": org.login_url if _place_of(org) == "my_domain" else "",
                "name": org.name,
            }
        elif "place" not in self.initial:
            self.initial["place"] = "demo" if settings.DEMO_ORG_URL else "production"

    def choices(self) -> list[dict[str, str]]:
        """The places with their explanation, for the page."""
        chosen = self["place"].value()
        return [
            {"value": value, "label": label, "help": PLACE_HELP[value], "checked": "checked" if value == chosen else ""}
            for value, label in self.fields["place"].choices  # type: ignore[attr-defined]
        ]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        place, host = data.get("place"), (data.get("host") or "").strip()
        if place == "my_domain" and not host:
            self.add_error("host", "Paste the address of your org.")
        elif place == "demo":
            data |= {"login_url": settings.DEMO_ORG_URL, "environment": Environment.DEMO}
        elif place and (host or place in LOGIN_HOSTS):
            self._read_salesforce_host(data, place, host)
        data["name"] = (data.get("name") or "").strip() or self._free_name(place or "")
        taken = SalesforceOrg.objects.filter(name__iexact=data["name"])
        if taken.exclude(pk=self.org.pk if self.org else None).exists():
            self.add_error("name", "There is already a connection with this name.")
        return data

    def _read_salesforce_host(self, data: dict[str, Any], place: str, host: str) -> None:
        try:
            login_url = read_host(host) if host else LOGIN_HOSTS[place]
        except forms.ValidationError as error:
            self.add_error("host", error)
            return
        demo = bool(settings.DEMO_ORG_URL) and login_url == settings.DEMO_ORG_URL
        sandbox = place == "sandbox" or (place == "my_domain" and not demo and is_sandbox(login_url))
        environment = Environment.DEMO if demo else Environment.SANDBOX if sandbox else Environment.PRODUCTION
        data |= {"login_url": login_url, "environment": environment}

    def _free_name(self, place: str) -> str:
        base = "Demo org" if place == "demo" else "Sandbox" if place == "sandbox" else "Production"
        names = set(SalesforceOrg.objects.values_list("name", flat=True)) - ({self.org.name} if self.org else set())
        return (
            base if base not in names else next(f"{base} {n}" for n in range(2, len(names) + 3) if f"{base} {n}" not in names)
        )


def _place_of(org: SalesforceOrg) -> str:
    if org.environment == Environment.DEMO:
        return "demo"
    return next((place for place, host in LOGIN_HOSTS.items() if host == org.login_url), "my_domain")


class _Credentials(forms.Form):
    """One way in. `stored` names the secrets that there are, so that an empty field means "keep"."""

    method = ""
    secret_kinds: tuple[str, ...] = ()
    required_secrets: tuple[str, ...] = ()

    def __init__(self, *args: Any, org: SalesforceOrg, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.org, self.stored = org, vault.kinds_of(org)
        for name in ("client_id", "username"):
            if name in self.fields:
                self.initial.setdefault(name, getattr(org, name))
        for kind in self.secret_kinds:
            if kind in self.stored:
                tail = self.stored[kind]
                self.fields[kind].required = False
                self.fields[kind].help_text = f"Stored{f', ends with {tail}' if tail else ''}. Leave empty to keep it."

    def secrets(self) -> dict[str, str]:
        """Clear texts typed just now, by vault kind."""
        return {kind: self.cleaned_data.get(kind) or "" for kind in self.secret_kinds}

    def texts(self) -> dict[str, str]:
        """What is no secret."""
        return {"client_id": self.cleaned_data.get("client_id", ""), "username": self.cleaned_data.get("username", "")}


def _secret_field(label: str, **options: Any) -> forms.CharField:
    attributes = {"autocomplete": "new-password", "spellcheck": "false"}
    return forms.CharField(
        label=label, widget=forms.PasswordInput(attrs=attributes, render_value=False), strip=False, **options
    )


def _key_field() -> forms.CharField:
    return forms.CharField(
        label="Consumer key", max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )


class WebForm(_Credentials):
    """Browser sign-in with PKCE (default)."""

    method, secret_kinds = Method.WEB, (Kind.CLIENT_SECRET,)
    client_id = _key_field()
    client_secret = _secret_field("Consumer secret", max_length=500)


class ClientCredentialsForm(WebForm):
    """The app's run-as user; My Domain only."""

    method = Method.CLIENT_CREDENTIALS


class JwtForm(_Credentials):
    """A signed assertion for one user; the key can be made here."""

    method, secret_kinds = Method.JWT, (Kind.PRIVATE_KEY,)
    client_id = _key_field()
    username = forms.CharField(label="Username of the integration user", max_length=255)
    private_key = forms.CharField(
        label="Private key (PEM)",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off"}),
        max_length=20_000,
        help_text="Or make a key pair below; then this stays empty.",
    )

    def clean_private_key(self) -> str:
        text = self.cleaned_data.get("private_key", "").strip()
        if text and "PRIVATE KEY-----" not in text:
            raise forms.ValidationError("This is not a private key in PEM form (it begins with -----BEGIN PRIVATE KEY-----).")
        return text


class PasswordForm(_Credentials):
    """Legacy SOAP login (BW-19..BW-23): user name, password, security token, host."""

    method, secret_kinds = Method.PASSWORD, (Kind.PASSWORD, Kind.SECURITY_TOKEN)
    username = forms.CharField(label="Username", max_length=255, help_text="The Salesforce username of the integration user.")
    password = _secret_field(
        "Password", max_length=500, help_text="Password and security token in one, without space, works too."
    )
    security_token = _secret_field(
        "Security token",
        max_length=200,
        required=False,
        help_text="Leave empty if Salesforce never gave one (no IP restriction).",
    )
    host = forms.CharField(
        label="Host URL",
        max_length=2048,
        help_text="The address in your browser while you are in Salesforce; the whole page address is fine.",
    )

    def __init__(self, *args: Any, org: SalesforceOrg, **kwargs: Any) -> None:
        super().__init__(*args, org=org, **kwargs)
        self.initial.setdefault("host", org.login_url)

    def clean_host(self) -> str:
        return read_host(self.cleaned_data["host"])


CREDENTIAL_FORMS: dict[str, type[_Credentials]] = {
    form.method: form for form in (WebForm, JwtForm, ClientCredentialsForm, PasswordForm)
}


class SettingsForm(forms.ModelForm):
    """What an admin may change on a running connection."""

    class Meta:
        model = SalesforceOrg
        fields = [
            "name", "environment", "okr_enabled", "product_enabled", "billing_enabled", "provisioning_enabled",
            "analytics_enabled", "sign_in_enabled",
        ]  # fmt: skip


class ConfirmNameForm(forms.Form):
    """The object's name typed by hand, before something that cannot be undone."""

    confirm = forms.CharField(label="Type the name to confirm", max_length=100)

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected

    def clean_confirm(self) -> str:
        if self.cleaned_data["confirm"].strip().casefold() != self.expected.casefold():
            raise forms.ValidationError(f"Type “{self.expected}” exactly. Nothing was changed.")
        return self.cleaned_data["confirm"]
