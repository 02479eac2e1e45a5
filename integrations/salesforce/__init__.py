"""The wire to Salesforce: hosts, logins, one request door, typed answers and errors. No Django, nothing else of ours.

Start with `client.Client` (calls with a token), `login` (ways to get a token) and `errors` (what an answer means).
"""

API_VERSION = "65.0"
"""The one REST version that Causeway speaks (Winter '26); demo orgs and orgs of any newer release serve it."""
