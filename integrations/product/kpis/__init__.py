"""KPIs of customers: definitions, the daily roll-up of events, and the values that pages, segments and pushes read (PX-43)."""
