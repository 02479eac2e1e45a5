"""The Metadata API: custom objects, custom fields and permission sets by SOAP calls, deployments and retrievals."""

from integrations.demo_org.metadata.endpoints import routes

__all__ = ["routes"]
