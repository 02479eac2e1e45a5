"""Attributes: what analytics wants to know of each account, and where a Salesforce org holds it (FZ-20 to FZ-52)."""
