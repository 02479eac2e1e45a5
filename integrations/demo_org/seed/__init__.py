"""The demo company: a seller of planning software, with its customers, deals, cases and reports."""

from integrations.demo_org.seed.building import build

__all__ = ["build"]
