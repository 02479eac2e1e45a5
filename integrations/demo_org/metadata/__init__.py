"""The Metadata API: objects, fields, permission sets, screens and automation by SOAP calls, deployments and retrievals."""

from integrations.demo_org.metadata import connect, endpoints, tooling

routes = [*endpoints.routes, *connect.routes, *tooling.routes]

__all__ = ["routes"]
