"""The SOAP endpoints of the partner and enterprise API: login for v31-64, and what jsforce needs besides."""

from integrations.demo_org.soap.endpoints import routes

__all__ = ["routes"]
