"""A connection (one authorised Salesforce org), its secrets, and what its API allowance was spent on."""

from collections.abc import Callable

from django.conf import settings
from django.db import models
from django.utils import timezone


class SalesforceOrg(models.Model):
    """One connection: where it points, how it signs in, what state it is in. Secrets are in `OrgSecret` only."""

    class Environment(models.TextChoices):
        PRODUCTION = "production", "Production"
        SANDBOX = "sandbox", "Sandbox"
        DEMO = "demo", "Demo"

    class LoginMethod(models.TextChoices):
        WEB = "web", "Sign in with the browser (OAuth with PKCE)"
        JWT = "jwt", "JWT bearer (certificate)"
        CLIENT_CREDENTIALS = "client_credentials", "Client credentials"
        PASSWORD = "password", "Username, password and token (legacy, ends with Summer '27)"

    class State(models.TextChoices):
        NEW = "new", "Not connected yet"
        CONNECTED = "connected", "Connected"
        PAUSED = "paused", "Paused"
        NEEDS_REAUTHORIZATION = "needs_reauthorization", "Needs re-authorization"
        APP_REJECTED = "app_rejected", "App credentials rejected"
        USER_INACTIVE = "user_inactive", "Integration user inactive"
        IP_BLOCKED = "ip_blocked", "Address not allowed by the org"
        BAD_LOGIN = "bad_login", "Login refused"
        LOGIN_LOCKED = "login_locked", "Integration user locked"
        API_DISABLED = "api_disabled", "API not enabled"
        DISCONNECTED = "disconnected", "Disconnected"

    get_state_display: Callable[[], str]
    get_environment_display: Callable[[], str]

    name = models.CharField(max_length=80, unique=True, help_text="How people here call this connection.")
    environment = models.CharField(max_length=12, choices=Environment.choices, default=Environment.PRODUCTION)
    login_method = models.CharField(max_length=20, choices=LoginMethod.choices, default=LoginMethod.WEB)
    login_url = models.URLField(help_text="Origin people sign in at, such as https://acme.my.salesforce.com")
    client_id = models.CharField("consumer key", max_length=255, blank=True)
    username = models.CharField(max_length=255, blank=True, help_text="Integration user (JWT and password only).")
    certificate = models.TextField(blank=True, help_text="Public half of the JWT key, to upload in Salesforce.")
    scope = models.CharField(max_length=255, blank=True, help_text="What Salesforce granted.")

    org_id = models.CharField(max_length=18, blank=True, help_text="Pinned at the first authorization.")
    org_name = models.CharField(max_length=255, blank=True)
    instance_url = models.URLField(blank=True, help_text="Where calls go; may move with any token answer.")
    user_id = models.CharField(max_length=18, blank=True)
    user_name = models.CharField(max_length=255, blank=True, help_text="Username whose rights and time zone we read with.")

    state = models.CharField(max_length=24, choices=State.choices, default=State.NEW)
    state_reason = models.TextField(blank=True, help_text="In words a person can act on.")
    state_code = models.CharField(max_length=60, blank=True, help_text="Salesforce's own code, if it gave one.")
    state_since = models.DateTimeField(default=timezone.now)
    bad_logins = models.PositiveSmallIntegerField(default=0)
    no_login_before = models.DateTimeField(null=True, blank=True, help_text="No token call before this instant.")
    generation = models.PositiveIntegerField(default=0, help_text="Grows with each disconnect: work of an older one stops.")
    refreshing_until = models.DateTimeField(null=True, blank=True)
    revocation_pending = models.BooleanField(default=False)

    authorized_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    authorized_at = models.DateTimeField(null=True, blank=True)
    token_issued_at = models.DateTimeField(null=True, blank=True)
    posture = models.JSONField(default=dict, blank=True, help_text="Latest permission check; see orgs.posture.")
    posture_at = models.DateTimeField(null=True, blank=True)

    seats = models.PositiveIntegerField(default=30, help_text="Licenses for linking key results.")
    sign_in_enabled = models.BooleanField(
        "sign in with Salesforce", default=False, help_text="People may sign in here with their user of this org."
    )
    okr_enabled = models.BooleanField("key results", default=True, help_text="Switch of the key-result domain.")
    product_enabled = models.BooleanField(
        "product experience", default=True, help_text="Switch of the product-experience sync."
    )
    billing_enabled = models.BooleanField("billing", default=True, help_text="Switch of the billing domain.")
    provisioning_enabled = models.BooleanField("provisioning", default=True, help_text="Switch of the provisioning domain.")
    analytics_enabled = models.BooleanField("analytics", default=True, help_text="Switch of the analytics domain.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "connection"

    def __str__(self) -> str:
        return self.name

    @property
    def currency(self) -> str:
        """ISO code of an org that has one currency; "" where it has several or was not asked yet."""
        return str(self.posture.get("currency") or "")

    @property
    def is_connected(self) -> bool:
        """Whether calls may be made now (state only; the key may still be missing)."""
        return self.state == self.State.CONNECTED

    @property
    def is_broken(self) -> bool:
        """Whether it was connected and now needs a person."""
        return self.state not in {self.State.NEW, self.State.CONNECTED, self.State.PAUSED, self.State.DISCONNECTED}


class OrgSecret(models.Model):
    """One encrypted secret of a connection. Only `orgs.vault` reads or writes `ciphertext` (I-14)."""

    class Kind(models.TextChoices):
        ACCESS_TOKEN = "access_token"  # noqa: S105  these are names
        REFRESH_TOKEN = "refresh_token"  # noqa: S105
        CLIENT_SECRET = "client_secret"  # noqa: S105
        PRIVATE_KEY = "private_key"
        PASSWORD = "password"  # noqa: S105
        SECURITY_TOKEN = "security_token"  # noqa: S105
        PENDING_REVOCATION = "pending_revocation"

    org_id: int
    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="secrets")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    ciphertext = models.BinaryField()
    last_four = models.CharField(max_length=4, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["org", "kind"], name="one_secret_of_a_kind")]

    def __str__(self) -> str:
        return f"{self.kind} of connection {self.org_id}"


class ApiUsage(models.Model):
    """Calls made in one UTC hour by one domain, and the last limit Salesforce named in that hour (I-18)."""

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="usage")
    hour = models.DateTimeField()
    domain = models.CharField(max_length=20, default="other")
    calls = models.PositiveIntegerField(default=0)
    report_runs = models.PositiveIntegerField(default=0, help_text="Synchronous report runs (500 an hour, org-wide).")
    report_instances = models.PositiveIntegerField(default=0, help_text="Asynchronous report runs (1,200 an hour).")
    bulk_calls = models.PositiveIntegerField(default=0, help_text="Calls of the Bulk API, both ways.")
    bulk_jobs = models.PositiveIntegerField(default=0, help_text="Bulk jobs that were made.")
    composite_calls = models.PositiveIntegerField(default=0, help_text="Composite calls: up to 200 records each.")
    query_calls = models.PositiveIntegerField(default=0, help_text="Queries over REST.")
    errors = models.PositiveIntegerField(default=0)
    limit_used = models.PositiveIntegerField(null=True, help_text="From Sforce-Limit-Info, rolling 24 hours.")
    limit_max = models.PositiveIntegerField(null=True)
    limit_at = models.DateTimeField(null=True, help_text="When Salesforce named that limit.")
    objects_asked = models.JSONField(default=list, blank=True, help_text="Object names asked for in this hour.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["org", "hour", "domain"], name="one_usage_row_an_hour")]
        indexes = [models.Index(fields=["org", "-hour"])]

    def __str__(self) -> str:
        return f"{self.calls} calls of {self.domain} in {self.hour:%Y-%m-%d %H}:00"


class SalesforceIdentity(models.Model):
    """A person's Salesforce user, for "Sign in with Salesforce" (18-character ids)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="salesforce_identities")
    org_id = models.CharField(max_length=18)
    salesforce_user_id = models.CharField(max_length=18)
    username = models.CharField(max_length=255)
    linked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["org_id", "salesforce_user_id"], name="one_identity_a_salesforce_user")]
        verbose_name_plural = "Salesforce identities"

    def __str__(self) -> str:
        return self.username
