"""How deals become subscriptions: settings of a connection, automations, and one provision for each deal with its steps."""

from collections.abc import Callable

from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models import Customer, SalesforceOrg


class ProvisioningSettings(models.Model):
    """One row a connection. Field names keep the reference's labels by default (ST-D3); an empty name = not used."""

    class Unmapped(models.TextChoices):
        ERROR = "error", "Stop and ask for a mapping"
        IGNORE = "ignore", "Leave the line out"

    class Lost(models.TextChoices):
        AT_END = "at_end", "Let the trial end at its date"
        AT_ONCE = "at_once", "End the trial at once"

    org_id: int
    org = models.OneToOneField(SalesforceOrg, on_delete=models.CASCADE, related_name="provisioning_settings")
    type_field = models.CharField(max_length=80, default="Stigg_Type__c")
    id_field = models.CharField(max_length=80, default="Stigg_ID__c")
    unlimited_field = models.CharField(max_length=80, default="Stigg_Unlimited__c", blank=True)
    account_id_field = models.CharField(max_length=80, default="Stigg_Customer_ID__c")
    account_url_field = models.CharField(max_length=80, default="Stigg_Customer_URL__c", blank=True)
    opportunity_id_field = models.CharField(max_length=80, default="Stigg_Subscription_ID__c", blank=True)
    opportunity_url_field = models.CharField(max_length=80, default="Stigg_Subscription_URL__c", blank=True)
    start_field = models.CharField(max_length=80, blank=True, help_text="Start date on the line or the opportunity.")
    term_field = models.CharField(max_length=80, blank=True, help_text="Term in months on the opportunity.")
    amendment_types = models.JSONField(default=list, blank=True, help_text="Values of Opportunity.Type; empty = usual ones.")
    renewal_types = models.JSONField(default=list, blank=True)
    unmapped_lines = models.CharField(max_length=6, choices=Unmapped.choices, default=Unmapped.ERROR)
    trial_days = models.PositiveSmallIntegerField(default=14)
    lost_trials = models.CharField(max_length=7, choices=Lost.choices, default=Lost.AT_END)
    uses_cpq = models.BooleanField(null=True, help_text="Whether the org has CPQ; empty = not looked yet.")
    lacks = models.JSONField(default=list, blank=True, help_text="What the last check missed in the org.")
    checked_at = models.DateTimeField(null=True, blank=True)
    callout_key_digest = models.CharField(max_length=64, blank=True, help_text="Of the key that the org's flow presents.")
    callout_key_prefix = models.CharField(max_length=12, blank=True, db_index=True)
    callout_key_made_at = models.DateTimeField(null=True, blank=True)
    old_key_digest = models.CharField(max_length=64, blank=True, help_text="Of the key before the last rotation.")
    old_key_prefix = models.CharField(max_length=12, blank=True, db_index=True)
    old_key_until = models.DateTimeField(null=True, blank=True, help_text="The old key is accepted until then.")
    signing_keys = models.BinaryField(
        default=b"", editable=False, help_text="Both keys, sealed: what signed calls are checked with."
    )
    require_signature = models.BooleanField(
        default=False, help_text="Refuse calls that present the key itself instead of a signature."
    )
    last_callout_at = models.DateTimeField(null=True, blank=True)
    watching_since = models.DateTimeField(
        default=timezone.now, help_text="The poll provisions deals whose stage changed after it; older ones only by hand."
    )
    poll_trouble = models.CharField(max_length=255, blank=True, help_text="Why the last poll could not ask, for a person.")
    polled_until = models.DateTimeField(null=True, blank=True, help_text="SystemModstamp of opportunities seen by the poll.")
    polled_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True, help_text="The integration was removed.")

    class Meta:
        verbose_name = verbose_name_plural = "provisioning settings"

    def __str__(self) -> str:
        return f"Provisioning in {self.org}"


class Automation(models.Model):
    """When what happens: a trigger, conditions and steps (ST-34 to ST-38). At most one active one answers to a deal."""

    class Trigger(models.TextChoices):
        WON = "won", "New business"
        TRIAL = "trial", "Trial"
        AMENDMENT = "amendment", "Amendment"
        RENEWAL = "renewal", "Renewal"

    id: int
    org_id: int
    get_trigger_display: Callable[[], str]
    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="automations")
    name = models.CharField(max_length=120)
    trigger = models.CharField(max_length=9, choices=Trigger.choices)
    stages = models.JSONField(default=list, blank=True, help_text="Stage names that narrow it; empty = as the trigger says.")
    conditions = models.JSONField(default=list, blank=True, help_text="[{field, operator, value}], all must hold.")
    callout = models.JSONField(
        default=dict, blank=True,
        help_text="{} = none; url, method, headers, body, paths to customer and subscription ids.",
    )  # fmt: skip
    callout_secrets = models.BinaryField(default=b"", help_text="Sealed values of secret headers.")
    write_back = models.BooleanField(default=True, help_text="Write ids and addresses to account and opportunity.")
    trial_days = models.PositiveSmallIntegerField(null=True, blank=True)
    is_active = models.BooleanField(default=False)
    is_template = models.BooleanField(default=False, help_text="Ships with Causeway; copied, not edited.")
    version = models.PositiveIntegerField(default=1, help_text="Grows with each change; a provision names the one it followed.")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["org", "trigger", "name"]
        constraints = [models.UniqueConstraint(fields=["org", "name"], name="one_automation_a_name")]

    def __str__(self) -> str:
        return self.name


class Provision(models.Model):
    """The work that one deal asks for. The unique key is the claim: whoever inserts it does it, others read it (I-19)."""

    class Slot(models.TextChoices):
        TRIAL = "trial", "Trial"
        CONTRACT = "contract", "Contract"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        BLOCKED = "blocked", "Needs a person"  # nothing was created; goes on by itself once the cause is gone
        STOPPED = "stopped", "Stopped"  # a step failed; can be resumed there
        INCOMPLETE = "incomplete", "Write-back pending"  # entitlements work, Salesforce does not know yet
        DONE = "done", "Done"
        SKIPPED = "skipped", "Nothing to do"

    class Source(models.TextChoices):
        CALLOUT = "callout", "Flow callout"
        MESSAGE = "message", "Outbound message"
        POLL = "poll", "Poll"
        MANUAL = "manual", "By hand"

    id: int
    org_id: int
    customer_id: int | None
    steps: "models.Manager[ProvisionStep]"
    get_state_display: Callable[[], str]
    get_kind_display: Callable[[], str]

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="provisions")
    opportunity_id = models.CharField(max_length=18)
    slot = models.CharField(max_length=8, choices=Slot.choices)
    version = models.PositiveIntegerField(default=1, help_text="Above 1 only when a person asked for it anew.")
    kind = models.CharField(max_length=9, choices=Automation.Trigger.choices)
    name = models.CharField(max_length=255, blank=True, help_text="Of the opportunity.")
    account_id = models.CharField(max_length=18, blank=True)
    account_name = models.CharField(max_length=255, blank=True)
    automation = models.ForeignKey(Automation, null=True, blank=True, on_delete=models.SET_NULL, related_name="provisions")
    automation_version = models.PositiveIntegerField(default=0)
    source = models.CharField(max_length=8, choices=Source.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    reason_code = models.CharField(max_length=60, blank=True)
    sentence = models.TextField(blank=True, help_text="Why it stands where it stands, for a person.")
    problems = models.JSONField(default=list, blank=True, help_text="[{line, code, message, fix}] of a blocked one.")
    facts = models.JSONField(default=dict, blank=True, help_text="What was read of the deal.")
    intent = models.JSONField(default=dict, blank=True, help_text="What is to be there afterwards.")
    result = models.JSONField(default=dict, blank=True, help_text="customer_id, subscription_ids, urls, ids of the callout.")
    customer = models.ForeignKey(Customer, null=True, blank=True, on_delete=models.SET_NULL, related_name="provisions")
    flag = models.CharField(max_length=20, blank=True, help_text="reopened, lost, deleted or merged.")
    flag_answer = models.CharField(max_length=20, blank=True)
    flagged_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(null=True, blank=True, help_text="SystemModstamp of the deal as it was judged.")
    opened_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True, help_text="Somebody works on it until then.")
    fence = models.PositiveIntegerField(default=0, help_text="Grows with each claim; an older worker's writes are refused.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["org", "opportunity_id", "slot", "version"], name="one_provision_a_deal")
        ]
        indexes = [
            models.Index(fields=["org", "state", "-id"]), models.Index(fields=["account_id"]),
            models.Index(fields=["not_before"], name="provision_due",
                         condition=Q(state__in=["waiting", "running", "blocked", "incomplete"])),
            models.Index(fields=["org", "flag"], name="provision_flagged", condition=~Q(flag="")),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name or self.opportunity_id


class ProvisionStep(models.Model):
    """One step of a provision (compile, callout, customer, subscription, write_back), restartable by itself (ST-D10)."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        SKIPPED = "skipped", "Skipped"

    get_state_display: Callable[[], str]
    provision = models.ForeignKey(Provision, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=12)
    position = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    reason_code = models.CharField(max_length=60, blank=True)
    sentence = models.TextField(blank=True)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["provision", "name"], name="one_step_a_name")]

    def __str__(self) -> str:
        return f"{self.position}. {self.name.replace('_', ' ')}"


class Delivery(models.Model):
    """One incoming call of an org: what it claimed and what became of it; a hint only, the record is read again (ST-D2)."""

    get_source_display: Callable[[], str]
    org = models.ForeignKey(SalesforceOrg, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    source = models.CharField(max_length=8, choices=Provision.Source.choices)
    opportunity_ids = models.JSONField(default=list)
    waiting = models.BooleanField(default=False, help_text="Stored before it was answered; some of its deals are still to do.")
    attempts = models.PositiveSmallIntegerField(default=0)
    verdict = models.CharField(max_length=40, help_text="taken, already_done, wrong_org, wrong_key, not_found ...")
    address = models.GenericIPAddressField(null=True, blank=True)
    sentence = models.CharField(max_length=500, blank=True)
    status = models.PositiveSmallIntegerField(default=200)
    milliseconds = models.PositiveIntegerField(default=0)
    received_at = models.DateTimeField(default=timezone.now, db_index=True)
    message_id = models.CharField(
        max_length=80, blank=True, default="", help_text="The sender's id of a signed call that was taken: taken once."
    )

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        indexes = [models.Index(fields=["org", "id"], name="delivery_waiting", condition=Q(waiting=True))]
        constraints = [
            models.CheckConstraint(condition=~Q(source="poll"), name="delivery_comes_from_outside"),
            models.UniqueConstraint(fields=["org", "message_id"], condition=~Q(message_id=""), name="one_delivery_a_message"),
        ]

    def __str__(self) -> str:
        return f"{self.get_source_display()} #{self.pk}"
