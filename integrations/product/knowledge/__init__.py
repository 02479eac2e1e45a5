"""Salesforce Knowledge in the product's help bot: published articles are searched and read in Salesforce (PX-66)."""
