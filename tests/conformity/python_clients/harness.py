"""Runs the scenarios of a script against one demo org and tells of each in a line of JSON."""

import inspect
import json
import sys
import traceback
from urllib.parse import urlsplit, urlunsplit

FACTS = json.load(sys.stdin)


def run(scenarios):
    """Each public function of a module, in its order. `url`, users and clients stand in FACTS."""
    for name, scenario in list(vars(scenarios).items()):
        if inspect.isfunction(scenario) and scenario.__module__ == scenarios.__name__ and name.startswith("scenario_"):
            try:
                scenario()
                found = {"ok": True}
            except Exception:  # noqa: BLE001 - whatever a client raises is told
                found = {"ok": False, "detail": traceback.format_exc()[-3000:]}
            sys.stdout.write(json.dumps({"name": name, **found}) + "\n")
            sys.stdout.flush()


def refused(kind, call):
    """The refusal of that kind that a call ends in."""
    try:
        call()
    except kind as refusal:
        return refusal
    raise AssertionError(f"{kind.__name__} was expected")


def at_org(url):
    """An address of Salesforce's as one of the demo org."""
    org, asked = urlsplit(FACTS["url"]), urlsplit(str(url))
    return urlunsplit((org.scheme, org.netloc, asked.path, asked.query, ""))
