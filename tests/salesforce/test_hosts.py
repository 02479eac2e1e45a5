"""Pasted addresses: canonical, or refused with a reason; nothing outside Salesforce gets a token."""

import pytest

from integrations.salesforce.hosts import HostRefused, is_allowed, is_my_domain, is_sandbox, normalize_login_url, origin_of

DEMO = "http://127.0.0.1:8600"

GOOD = {
    "https://na9.salesforce.com/home/home.jsp": "https://na9.salesforce.com",
    "  HTTPS://Acme.My.Salesforce.com/  ": "https://acme.my.salesforce.com",
    "acme.my.salesforce.com": "https://acme.my.salesforce.com",
    "http://acme.my.salesforce.com/lightning/page/home?x=1#y": "https://acme.my.salesforce.com",
    "https://acme.my.salesforce.com:443/": "https://acme.my.salesforce.com",
    "http://acme.my.salesforce.com:80": "https://acme.my.salesforce.com",
    "login.salesforce.com": "https://login.salesforce.com",
    "https://test.salesforce.com/?locale=eu": "https://test.salesforce.com",
    "https://acme--uat.sandbox.my.salesforce.com": "https://acme--uat.sandbox.my.salesforce.com",
    "https://acme-dev-ed.develop.my.salesforce.com": "https://acme-dev-ed.develop.my.salesforce.com",
    "https://acme--uat.cs12.my.salesforce.com": "https://acme--uat.cs12.my.salesforce.com",
    "https://acme.lightning.force.com/lightning/r/Account/001/view": "https://acme.my.salesforce.com",
    "https://acme--uat.sandbox.lightning.force.com/": "https://acme--uat.sandbox.my.salesforce.com",
    "https://acme.my.salesforce-setup.com/lightning/setup/SetupOneHome/home": "https://acme.my.salesforce.com",
    "https://acme--uat.sandbox.my.salesforce-setup.com/x": "https://acme--uat.sandbox.my.salesforce.com",
    "https://acme--c.vf.force.com/apex/page": "https://acme.my.salesforce.com",
    "https://acme--uat--c.sandbox.vf.force.com/apex/page": "https://acme--uat.sandbox.my.salesforce.com",
    "https://c.na9.visual.force.com/apex/page": "https://na9.salesforce.com",
    "https://agency.my.salesforce.mil": "https://agency.my.salesforce.mil",
    "https://acme.my.sfcrmproducts.cn/": "https://acme.my.sfcrmproducts.cn",
}

HOSTILE = (
    # this machine and the network around it
    "http://127.0.0.1",
    "https://127.0.0.1:8000/",
    "127.0.0.1",
    "localhost",
    "https://localhost:5432",
    "http://0.0.0.0",
    "http://[::1]",
    "https://[::1]:443/",
    "http://[::ffff:127.0.0.1]/",
    "https://[fe80::1]",
    "http://10.0.0.1",
    "https://192.168.1.1/",
    "http://172.16.0.1",
    "http://169.254.169.254/latest/meta-data/",
    "http://metadata.google.internal/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    # the same, spelled otherwise
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://017700000001",
    "http://127.1",
    "http://127.0.0.1.nip.io",
    "http://①②⑦.0.0.1",
    "https://acme.my.salesforce.com@127.0.0.1/",
    # user names, escapes, backslashes
    "https://login.salesforce.com@evil.example/",
    "https://login.salesforce.com:pw@evil.example/",
    "https://evil.example@login.salesforce.com/",
    "https://evil.example\\@login.salesforce.com",
    "https://evil.example\\.salesforce.com",
    "https://evil.example%2f.salesforce.com",
    "https://evil.example%00.salesforce.com",
    "https://evil.example/.salesforce.com",
    "https://evil.example#.salesforce.com",
    "https://evil.example?.salesforce.com",
    "https://evil.example;.salesforce.com",
    "https://login.salesforce.com\r\nHost: evil.example",
    "https://login.sales\tforce.com",
    "https://login salesforce.com",
    # look-alikes
    "https://salesforce.com.evil.example",
    "https://login.salesforce.com.evil.example",
    "https://loginsalesforce.com",
    "https://evilsalesforce.com",
    "https://acme.mysalesforce.com",
    "https://acme.my.salesforce.com.",
    "https://acme.my.salesforce.co",
    "https://acme.my.saIesforce.com.evil.example",
    "https://acme.my.sаlesforce.com",
    "https://acme.my.salesforce。com",
    "https://xn--slesforce-c4a.com",
    "https://salesforce.com",
    "https://my.salesforce.com",
    "https://.my.salesforce.com",
    "https://-acme.my.salesforce.com",
    "https://a..my.salesforce.com",
    "https://www.salesforce.com/",
    "https://help.salesforce.com/s/",
    "https://acme.my.site.com/",
    "https://attacker.force.com/",
    "https://attacker.secure.force.com/",
    "https://lightning.force.com",
    "https://my.salesforce-setup.com",
    # ports and schemes
    "https://acme.my.salesforce.com:22",
    "https://acme.my.salesforce.com:6379/",
    "https://acme.my.salesforce.com:99999",
    "https://acme.my.salesforce.com:8443",
    "file:///etc/passwd",
    "gopher://login.salesforce.com:70/_x",
    "ftp://acme.my.salesforce.com",
    "javascript:alert(1)",
    "data:text/html,x",
    "dict://acme.my.salesforce.com:11211/",
    "//login.salesforce.com",
    "https:login.salesforce.com",
    "https:///login.salesforce.com",
    "http://demo.localtest.me",
    "",
    "   ",
    "https://",
    "a" * 3000,
    "https://" + "a" * 64 + ".my.salesforce.com",
)


@pytest.mark.parametrize(("pasted", "origin"), GOOD.items())
def test_r_013_bw_d5_full_url_is_reduced_to_one_canonical_login_origin(pasted, origin):
    assert normalize_login_url(pasted) == origin
    assert normalize_login_url(origin) == origin
    assert is_allowed(origin)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_s_020_hostile_host_values_are_refused_with_a_reason(hostile):
    with pytest.raises(HostRefused) as refusal:
        normalize_login_url(hostile)
    assert str(refusal.value).endswith(".")
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("hostile", HOSTILE)
def test_s_020_hostile_values_stay_refused_when_the_demo_org_is_allowed(hostile):
    with pytest.raises(HostRefused):
        normalize_login_url(hostile, demo_origin=DEMO)
    if hostile not in INSIDE_SALESFORCE:
        assert not is_allowed(hostile, demo_origin=DEMO)


INSIDE_SALESFORCE = (
    "https://www.salesforce.com/",
    "https://help.salesforce.com/s/",
    "https://my.salesforce.com",
    "https://attacker.force.com/",
    "https://attacker.secure.force.com/",
    "https://lightning.force.com",
)
"""Not places to sign in, but on domains that only Salesforce serves."""


def test_s_020_more_than_sixty_values_are_tried():
    assert len(HOSTILE) >= 60


def test_demo_origin_passes_only_when_it_is_given():
    for text in (DEMO, f"{DEMO}/home", "127.0.0.1:8600", "HTTP://127.0.0.1:8600/"):
        assert normalize_login_url(text, demo_origin=DEMO) == DEMO
        with pytest.raises(HostRefused):
            normalize_login_url(text)
    assert is_allowed(DEMO, demo_origin=DEMO)
    assert not is_allowed(DEMO)
    for other in ("http://127.0.0.1:8601", "https://127.0.0.1:8600", "http://localhost:8600", "http://127.0.0.1"):
        assert not is_allowed(other, demo_origin=DEMO)
        with pytest.raises(HostRefused):
            normalize_login_url(other, demo_origin=DEMO)


def test_r_012_instance_urls_must_be_https_on_a_salesforce_domain():
    assert is_allowed("https://acme2.my.salesforce.com")
    assert is_allowed("https://na1.salesforce.com")
    assert not is_allowed("http://acme.my.salesforce.com")
    assert not is_allowed("acme.my.salesforce.com")
    assert not is_allowed("https://acme.my.salesforce.com.evil.example")
    assert not is_allowed("https://acme.my.salesforce.com:444")


def test_kinds_of_login_hosts():
    assert is_sandbox("https://test.salesforce.com")
    assert is_sandbox("https://acme--uat.sandbox.my.salesforce.com")
    assert is_sandbox("https://acme--uat.my.salesforce.com")
    assert not is_sandbox("https://acme.my.salesforce.com")
    assert not is_sandbox("https://login.salesforce.com")
    assert is_my_domain("https://acme.my.salesforce.com")
    assert not is_my_domain("https://login.salesforce.com")
    assert origin_of("https://Acme.my.salesforce.com/services/Soap/u/42.0") == "https://acme.my.salesforce.com"
