"""tap-salesforce, a Singer tap: discovery and reading by REST and by Bulk API 1.0."""

import contextlib
import io
import json
import logging
import sys

import requests
import tap_salesforce
from harness import FACTS, at_org, run
from tap_salesforce.salesforce import Salesforce, bulk

bulk.BATCH_STATUS_POLLING_SLEEP = 0.1
logging.disable(logging.INFO)
OBJECTS = ("Account", "Contact", "Opportunity", "User", "Project__c", "KnowledgeArticleVersion")


class ToOrg(requests.adapters.HTTPAdapter):
    """The tap signs in at login.salesforce.com."""

    def send(self, request, **options):
        request.url = at_org(request.url)
        return super().send(request, **options)


def tap(form):
    """A tap that is signed in, and the catalog that it found."""
    app = FACTS["client"]
    made = Salesforce(
        refresh_token=FACTS["refresh_token"], sf_client_id=app["client_id"], sf_client_secret=app["client_secret"],
        select_fields_by_default="true", default_start_date="2020-01-01T00:00:00Z", api_type=form,
    )  # fmt: skip
    made.session.mount("https://login.salesforce.com", ToOrg())
    made.login()
    made.login_timer.cancel()
    found = io.StringIO()
    with contextlib.redirect_stdout(found):
        tap_salesforce.do_discover(made)
    return made, {each["stream"]: each for each in json.loads(found.getvalue())["streams"]}


def read(form):
    """How many records each of a few objects has."""
    made, catalog = tap(form)
    assert len(catalog) > 40
    return {name: sum(1 for _ in made.query(catalog[name], {"bookmarks": {}})) for name in OBJECTS}


COUNTS = {}


def scenario_rest():
    COUNTS["rest"] = read("REST")
    assert min(COUNTS["rest"].values()) > 0


def scenario_bulk():
    assert read("BULK") == COUNTS["rest"]


run(sys.modules[__name__])
