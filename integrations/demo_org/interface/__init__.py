"""What Salesforce serves for user interfaces, told from the schema: layouts, list views, actions, tabs; and neighbors."""

from integrations.demo_org.interface import actions, knowledge, layouts, listviews, people, tooling

routes = [*layouts.routes, *listviews.routes, *actions.routes, *people.routes, *knowledge.routes, *tooling.routes]

__all__ = ["routes"]
