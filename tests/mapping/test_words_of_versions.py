"""What a version changed reads as sentences: no paths, no keys, no Python values."""

from dataclasses import replace

from integrations.mapping_words import say_changes
from integrations.sync.mapping.body import FieldPair, MatchRule, default_body
from integrations.sync.mapping.versions import compare

RULES = {"website_domain": "Website domain", "custom_field": "Custom field"}
SOURCES = {"attributes.plan": "Plan"}


def said(*, before, after):
    return [(each.what, each.before, each.after) for each in say_changes(compare(before, after), rules=RULES, sources=SOURCES)]


def test_rules_and_pairs_are_said_in_words():
    before = default_body("customer")
    rules = tuple(
        replace(each, on=not each.on, when_several="none") if each.name == "website_domain" else each for each in before.rules
    )
    pairs = (
        FieldPair("push", "attributes.plan", "PX_Plan__c", accept_lossy=True, values={"Business": "Team"}),
        FieldPair("pull", "attributes.renewal_date", "Renewal_Date__c"),
    )
    found = said(before=before, after=replace(before, rules=rules, pairs=pairs))
    was_on = next(each.on for each in before.rules if each.name == "website_domain")
    switched = ("Match rule “Website domain”", "on" if was_on else "off", "off" if was_on else "on")
    assert switched in found
    assert ("Match rule “Website domain”: if several records fit", "take the oldest", "take none") in found
    assert ("Plan to PX_Plan__c", None, "mapped: “Business” becomes “Team”; what a conversion loses is accepted") in found
    assert ("renewal date from Renewal_Date__c", None, "mapped") in found


def test_the_whole_mapping_is_said_in_words():
    before = default_body("customer")
    after = replace(before, object="Company__c", retrieve=False, mail_providers=("mail.example",), most_active_wins=True)
    found = said(before=before, after=after)
    assert ("Salesforce object", "Account", "Company__c") in found
    assert ("Read from Salesforce", "yes", "no") in found
    assert ("Domains of mail providers, which match nobody", None, "mail.example") in found


def test_nothing_looks_like_a_key_or_a_python_value():
    before = default_body("end_user")
    rules = tuple(MatchRule(each.name, on=not each.on, case_sensitive=not each.case_sensitive) for each in before.rules)
    pair = FieldPair("pull", "attributes.job_title", "Title", cut=True)
    for what, *values in said(before=before, after=replace(before, rules=rules, pairs=(pair,))):
        assert "_" not in what
        assert all(value is None or ("True" not in value and "{" not in value) for value in values), what
