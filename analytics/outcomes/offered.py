"""The kinds of analyses of outcomes, in the order of their pages."""

from analytics.analyses.kinds import AnalysisKind
from analytics.outcomes import campaigns, cohorts, funnel, retention, scores, support, survival

KINDS: tuple[AnalysisKind, ...] = (
    retention.KIND,
    survival.KIND,
    funnel.KIND,
    cohorts.KIND,
    campaigns.KIND,
    support.KIND,
    scores.KIND,
)
