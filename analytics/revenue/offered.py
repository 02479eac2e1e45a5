"""The kinds of analyses of revenue, in the order of their pages."""

from analytics.analyses.kinds import AnalysisKind
from analytics.revenue import cohorts, waterfall

KINDS: tuple[AnalysisKind, ...] = (waterfall.KIND, cohorts.KIND)
