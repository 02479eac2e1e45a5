"""Billing objects: kept here with exact money, pushed into Salesforce custom objects by external id."""
