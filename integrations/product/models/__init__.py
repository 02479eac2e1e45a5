"""The product-experience tables, by subject."""

from integrations.product.models.engagements import Engagement, EngagementView
from integrations.product.models.events import (
    DirtyDay,
    EventBatch,
    IngestDay,
    KeyDay,
    NewName,
    QuarantinedEvent,
    TraitTimes,
    UnjoinedUser,
    WriteKey,
)  # fmt: skip
from integrations.product.models.features import DailyState, Feature, KpiSettings, KpiState
from integrations.product.models.health import HealthDay, HealthScore
from integrations.product.models.knowledge import KnowledgeBase
from integrations.product.models.segments import Segment, SegmentCount
from integrations.product.models.task_rules import CsmTask, TaskRule

__all__ = [
    "CsmTask",
    "DailyState",
    "DirtyDay",
    "Engagement",
    "EngagementView",
    "EventBatch",
    "Feature",
    "HealthDay",
    "HealthScore",
    "IngestDay",
    "KeyDay",
    "KnowledgeBase",
    "KpiSettings",
    "KpiState",
    "NewName",
    "QuarantinedEvent",
    "Segment",
    "SegmentCount",
    "TaskRule",
    "TraitTimes",
    "UnjoinedUser",
    "WriteKey",
]
