"""Product-experience sync: events, KPIs, segments, engagements, knowledge, and what of it travels to Salesforce."""
