"""Engagements and what end users did with them."""

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone

from integrations.models import Customer, EndUser
from integrations.product.engagements import rules


class Engagement(models.Model):
    """A message, survey or guide link shown inside the product to the end users of a segment (PX-03)."""

    class Kind(models.TextChoices):
        MESSAGE = "message", "Message"
        NPS = "nps", "NPS survey"
        GUIDE = "guide", "Guide link"

    class State(models.TextChoices):
        DRAFT = rules.DRAFT, "Draft"
        LIVE = rules.LIVE, "Live"
        PAUSED = rules.PAUSED, "Paused"
        ENDED = rules.ENDED, "Ended"

    class Frequency(models.TextChoices):
        UNTIL_CLOSED = rules.UNTIL_CLOSED, "Until it is clicked, answered or closed"
        ONCE = rules.ONCE, "One time only"
        DAILY = rules.DAILY, "Daily until it is clicked or answered"
        WEEKLY = rules.WEEKLY, "Weekly until it is clicked or answered"
        QUARTERLY = rules.QUARTERLY, "Every 90 days"

    id: int
    segment_id: int | None
    views: "models.Manager[EngagementView]"
    get_kind_display: Callable[[], str]
    get_state_display: Callable[[], str]
    get_frequency_display: Callable[[], str]

    kind = models.CharField(max_length=7, choices=Kind.choices, default=Kind.MESSAGE)
    name = models.CharField(max_length=120, unique=True, help_text="For your team; end users do not see it.")
    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    button_label = models.CharField(max_length=60, blank=True)
    button_url = models.CharField(max_length=500, blank=True)
    survey = models.CharField(max_length=60, blank=True, help_text="Key under which answers of an NPS survey are counted.")
    segment = models.ForeignKey(
        "product.Segment", null=True, blank=True, on_delete=models.PROTECT, related_name="engagements",
        help_text="Who sees it; empty means everybody.",
    )  # fmt: skip
    url_match = models.CharField(max_length=rules.LONGEST_PATTERN, blank=True)
    frequency = models.CharField(max_length=12, choices=Frequency.choices, default=Frequency.UNTIL_CLOSED)
    priority = models.SmallIntegerField(default=0, help_text="Higher ones are shown first.")
    state = models.CharField(max_length=6, choices=State.choices, default=State.DRAFT)
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    template = models.CharField(max_length=40, blank=True, help_text="Template it was made from.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-priority", "id"]
        indexes = [models.Index(fields=["state", "-priority"])]

    def __str__(self) -> str:
        return self.name

    def state_at(self, now: datetime) -> str:
        """draft, scheduled, live, paused or ended at `now`."""
        return rules.state_now(self.state, self.starts_at, self.ends_at, now=now)


class EngagementView(models.Model):
    """What one end user did with one engagement. First times only, so that repeats of an event count once (I-04)."""

    engagement_id: int
    end_user_id: int
    customer_id: int | None

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="views")
    end_user = models.ForeignKey(EndUser, on_delete=models.CASCADE, related_name="engagement_views")
    customer = models.ForeignKey(
        Customer, null=True, blank=True, on_delete=models.SET_NULL, related_name="engagement_views",
        help_text="The end user's customer when it was first shown.",
    )  # fmt: skip
    shown_at = models.DateTimeField(null=True, blank=True)
    last_shown_at = models.DateTimeField(null=True, blank=True)
    clicked_at = models.DateTimeField(null=True, blank=True)
    dismissed_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["engagement", "end_user"], name="one_view_a_person")]
        indexes = [models.Index(fields=["engagement", "-shown_at"]), models.Index(fields=["end_user", "engagement"])]

    def __str__(self) -> str:
        return f"{self.engagement_id} seen by {self.end_user_id}"

    @property
    def seen(self) -> rules.Seen:
        """The times alone, for the rules."""
        return rules.Seen(self.shown_at, self.last_shown_at, self.clicked_at, self.dismissed_at, self.answered_at)
