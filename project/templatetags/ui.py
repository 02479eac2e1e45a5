"""The building blocks of every page, `{% load ui %}`: the sidebar here, everything else by subject in `project.blocks`."""

from dataclasses import dataclass
from typing import Any

from django import template
from django.template.context import RequestContext

from integrations.access import DOMAINS, Person, denial_somewhere, has_role
from project.blocks import frame, key_results, lists, people, runs, salesforce, values

register = template.Library()
for part in (frame, values, lists, people, salesforce, runs, key_results):
    register.tags.update(part.register.tags)
    register.filters.update(part.register.filters)


@dataclass(frozen=True)
class Place:
    """An entry of the sidebar, for people with at least `role`."""

    path: str
    label: str
    icon: str
    role: str = "member"
    each_domain: bool = False


@dataclass(frozen=True)
class Domain:
    """A group of the sidebar as one person sees it. The first place stands for the whole of a group with a title; the others
    are shown while somebody is in the group."""

    title: str
    places: tuple[Place, ...]
    is_open: bool = False

    @property
    def head(self) -> Place:
        """Where its title leads."""
        return self.places[0]

    @property
    def rest(self) -> tuple[Place, ...]:
        """What is folded away elsewhere."""
        return self.places[1:]


NAVIGATION: tuple[tuple[str, tuple[Place, ...]], ...] = (
    (
        "",
        (
            Place("/", "Overview", "house"),
            Place("/alerts/", "Alerts", "circle-alert"),
            Place("/connections/", "Connections", "plug-zap"),
            Place("/mappings/", "Mappings", "arrow-left-right", "analyst"),
            Place("/outbox/", "Outbox", "inbox", "analyst"),
            Place("/runs/", "Runs", "list-checks", "analyst", each_domain=True),
            Place("/mirror/", "Mirror", "database", "analyst"),
            Place("/budget/", "API budget", "gauge", "analyst"),
            Place("/configuration/", "Configuration", "settings-2", "admin"),
            Place("/security/", "Security", "shield-check", "admin"),
            Place("/audit/", "Audit", "file-text", "admin"),
            Place("/people/", "People", "users", "admin"),
        ),
    ),
    (
        "Customers",
        (
            Place("/customers/", "Customers", "building-2"),
            Place("/customers/end-users/", "End users", "users"),
            Place("/audit/four-way/", "Four-way audit", "scale", "analyst"),
        ),
    ),
    (
        "Product",
        (
            Place("/product/", "Sync overview", "monitor"),
            Place("/product/accounts/", "Accounts", "funnel"),
            Place("/product/audience/", "Audience", "user"),
            Place("/product/segments/", "Segments", "layers"),
            Place("/product/engagements/", "Engagements", "message-square", "analyst"),
            Place("/product/features/", "Features", "tag", "analyst"),
            Place("/product/kpis/", "KPIs", "calculator"),
            Place("/product/knowledge/", "Knowledge", "book-open", "analyst"),
            Place("/product/health/", "Health scores", "trending-up"),
            Place("/product/task-rules/", "Task rules", "list-checks"),
            Place("/product/use-cases/", "Use cases", "wand-sparkles"),
            Place("/product/data/", "Data health", "gauge", "analyst"),
        ),
    ),
    (
        "Billing",
        (
            Place("/billing/", "Billing", "receipt"),
            Place("/billing/customers/", "Billing customers", "wallet"),
            Place("/billing/invoices/", "Invoices", "file-text"),
            Place("/billing/credits/", "Credit", "coins"),
            Place("/billing/plans/", "Plans and prices", "tag"),
            Place("/billing/metrics/", "Metrics", "gauge"),
        ),
    ),
    (
        "Provisioning",
        (
            Place("/provisioning/", "Provisioning", "zap"),
            Place("/provisioning/provisions/", "Deals", "list-checks"),
            Place("/provisioning/subscriptions/", "Subscriptions", "id-card"),
            Place("/provisioning/catalogue/", "Catalogue", "layers"),
            Place("/provisioning/mapping/", "Product mapping", "arrow-left-right"),
            Place("/provisioning/automations/", "Automations", "wand-sparkles", "analyst"),
            Place("/provisioning/preflight/", "Open deals", "search-check", "analyst"),
        ),
    ),
    (
        "Analytics",
        (
            Place("/analytics/", "Analytics", "chart-line"),
            Place("/analytics/drivers/", "Drivers", "git-compare"),
            Place("/analytics/retention/", "Retention", "repeat"),
            Place("/analytics/survival/", "Survival", "hourglass"),
            Place("/analytics/funnel/", "Trial funnel", "funnel"),
            Place("/analytics/revenue/", "Revenue", "banknote"),
            Place("/analytics/cohorts/", "Cohorts", "layers"),
            Place("/analytics/campaigns/", "Campaigns", "megaphone"),
            Place("/analytics/support/", "Support", "life-buoy"),
            Place("/analytics/scores/", "Scores", "gauge"),
            Place("/analytics/groups/", "Groups", "users"),
        ),
    ),
    (
        "Key results",
        (
            Place("/okr/", "Objectives", "target"),
            Place("/okr/licenses/", "Licenses", "id-card"),
            Place("/okr/settings/", "Departments and periods", "settings-2", "operator"),
        ),
    ),
)


def is_open_to(user: Person, place: Place) -> bool:
    """Whether `user` may open the entry; an admin of a domain may open what operators may there."""
    domain = place.path.strip("/").partition("/")[0]
    is_own = place.each_domain and not denial_somewhere(user, place.role, changes=False)
    return is_own or has_role(user, place.role, domain if domain in DOMAINS else "")


@register.inclusion_tag("components/navigation.html", takes_context=True)
def navigation(context: RequestContext) -> dict[str, Any]:
    """The sidebar's groups, the current one unfolded; the entry with the longest matching path is the current one."""
    path = context["request"].path
    user = context["request"].user
    places = [place for _, group in NAVIGATION for place in group]
    matching = [place.path for place in places if path == place.path or (place.path != "/" and path.startswith(place.path))]
    current = max(matching, key=len, default="")
    shown = [(title, tuple(place for place in group if is_open_to(user, place))) for title, group in NAVIGATION]
    groups = [Domain(title, group, any(place.path == current for place in group)) for title, group in shown if group]
    return {"groups": groups, "current": current}
