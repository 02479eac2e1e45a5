"""Models of analytics by subject."""

from analytics.models.acting import Group, GroupMember, GroupPush
from analytics.models.analyses import Analysis, Result
from analytics.models.setup import AnalyticsSettings, AttributeMap, FactsState

__all__ = ["Analysis", "AnalyticsSettings", "AttributeMap", "FactsState", "Group", "GroupMember", "GroupPush", "Result"]
