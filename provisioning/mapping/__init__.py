"""Where the products of Salesforce lead: to a plan, an add-on, or a feature as an entitlement (ST-19 to ST-24)."""
