"""Taking in product events: who may send, what waits for the lake, what was put aside, and how each day went."""

from django.db import models
from django.utils import timezone

from integrations.models import EndUser, Entity

MOST_NEW_PEOPLE = 10_000


class WriteKey(models.Model):
    """A public key for browsers and apps: it may send events and ask for in-app messages, and nothing else.

    `secret` is encrypted (only `ingest.write_keys` reads it): the product's server signs user ids with it.
    """

    id: int

    key = models.CharField(max_length=40, unique=True, help_text="cwk_ and random letters; public, it stands in web pages.")
    name = models.CharField(max_length=80)
    allowed_origins = models.JSONField(default=list, blank=True, help_text="Such as https://app.example.com; * is any.")
    require_signature = models.BooleanField(default=False, help_text="Events must carry the signature of their user.")
    most_new_people = models.PositiveIntegerField(
        default=MOST_NEW_PEOPLE, help_text="Unknown people and companies that it may bring in a UTC day."
    )
    secret = models.BinaryField(default=bytes, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class KeyDay(models.Model):
    """How many unknown people and companies a write key brought on a UTC day, and how many were refused."""

    id: int
    write_key_id: int

    write_key = models.ForeignKey(WriteKey, on_delete=models.CASCADE, related_name="days")
    day = models.DateField(help_text="UTC day.")
    named = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    settled = models.BooleanField(default=False, help_text="The day is over and its alert was ended.")

    class Meta:
        ordering = ["-day"]
        constraints = [models.UniqueConstraint(fields=["write_key", "day"], name="one_row_a_key_and_day")]

    def __str__(self) -> str:
        return f"{self.write_key_id} on {self.day}: {self.named}"


class NewName(models.Model):
    """An unknown person or company that a write key named today, so that it counts once. A digest: no id is kept."""

    write_key = models.ForeignKey(WriteKey, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    digest = models.CharField(max_length=40)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["write_key", "day", "digest"], name="one_row_a_new_name")]

    def __str__(self) -> str:
        return self.digest


class EventBatch(models.Model):
    """One accepted request that waits for the flush; the row is durable before the sender gets its answer."""

    id: int

    received_at = models.DateTimeField(default=timezone.now)
    rows = models.PositiveIntegerField()
    rejected = models.PositiveIntegerField(default=0, help_text="Events of the request that were refused.")
    size = models.PositiveIntegerField(help_text="Bytes of the events before compression.")
    broken = models.BooleanField(default=False, help_text="Cannot be read; the flush leaves it to a person.")
    body = models.BinaryField(help_text="Checked events as compressed JSON.")
    write_key = models.ForeignKey(WriteKey, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name_plural = "event batches"

    def __str__(self) -> str:
        return f"{self.rows} events of {self.received_at:%Y-%m-%d %H:%M:%S}"


class QuarantinedEvent(models.Model):
    """An event that cannot be true (dated 1970 or 2090): out of all figures, kept for a while with the reason (R-239)."""

    class Reason(models.TextChoices):
        FUTURE = "future", "Dated in the future"
        TOO_OLD = "too_old", "Older than events are kept"

    id: int

    event_id = models.CharField(max_length=100, unique=True)
    received_at = models.DateTimeField()
    reason = models.CharField(max_length=20, choices=Reason.choices)
    user = models.CharField(max_length=255, blank=True, db_index=True, help_text="The product's id of the end user.")
    account = models.CharField(max_length=255, blank=True, help_text="The product's id of the customer.")
    body = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["received_at"]), models.Index(fields=["reason", "-id"])]

    def __str__(self) -> str:
        return f"{self.event_id}: {self.reason}"


class IngestDay(models.Model):
    """How one UTC day of receiving went; counted by the flush in the transaction that stores the events."""

    day = models.DateField(unique=True, help_text="UTC day on which the events were received.")
    accepted = models.PositiveBigIntegerField(default=0, help_text="New events that were stored.")
    duplicates = models.PositiveBigIntegerField(default=0, help_text="Repeats of an event id; not stored again.")
    quarantined = models.PositiveBigIntegerField(default=0)
    rejected = models.PositiveBigIntegerField(default=0, help_text="Refused in the answer to the sender.")
    refused = models.PositiveBigIntegerField(default=0, help_text="Of people or companies who were erased.")
    late = models.PositiveBigIntegerField(default=0, help_text="Stored events of an earlier UTC day than they came on.")

    class Meta:
        ordering = ["-day"]

    def __str__(self) -> str:
        return f"{self.day}"


class DirtyDay(models.Model):
    """A UTC day of events whose roll-up must be computed anew (R-114). Whoever does it deletes the rows that they saw."""

    id: int

    day = models.DateField(db_index=True, help_text="UTC day of the events.")
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["day", "id"]

    def __str__(self) -> str:
        return f"{self.day}"


class TraitTimes(models.Model):
    """When each trait of a customer or end user was said last, so that an older one changes nothing (I-07). No values."""

    id: int

    entity = models.CharField(max_length=8, choices=Entity.choices)
    record = models.PositiveBigIntegerField(help_text="Our number of the customer or end user.")
    times = models.JSONField(default=dict, help_text="Trait -> milliseconds since 1970.")

    class Meta:
        verbose_name_plural = "trait times"
        constraints = [models.UniqueConstraint(fields=["entity", "record"], name="one_row_of_trait_times")]

    def __str__(self) -> str:
        return f"{self.entity} {self.record}"


class UnjoinedUser(models.Model):
    """An end user with stored events that name no customer yet, and the days of those events (R-237)."""

    id: int
    end_user_id: int

    end_user = models.OneToOneField(EndUser, on_delete=models.CASCADE, related_name="+")
    first_day = models.DateField(help_text="First UTC day with such an event.")
    last_day = models.DateField(help_text="Last UTC day with such an event.")

    def __str__(self) -> str:
        return f"{self.end_user_id}: {self.first_day} to {self.last_day}"
