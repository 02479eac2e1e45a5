"""What follows other records: campaign counts, a case's contact data, the two faces of articles; and related paths."""

from tests.demo_org.core.served_org import Core


def counts(core: Core, campaign: str) -> tuple:
    row = core.row("Campaign", campaign)
    names = ("NumberOfLeads", "NumberOfContacts", "NumberOfResponses", "NumberOfOpportunities", "AmountAllOpportunities")
    return tuple(row[name] or 0 for name in names)


def test_a_campaign_counts_its_members_and_deals(core: Core) -> None:
    campaign, other = core.make("Campaign", Name="Spring"), core.make("Campaign", Name="Autumn")
    lead, contact = core.make("Lead", LastName="L", Company="C"), core.make("Contact", LastName="C")
    member = core.make("CampaignMember", CampaignId=campaign, LeadId=lead)
    core.make("CampaignMember", CampaignId=campaign, ContactId=contact)
    deal = core.make("Opportunity", Name="D", StageName="Prospecting", CloseDate="2026-03-01", Amount=100, CampaignId=campaign)
    assert counts(core, campaign) == (1, 1, 0, 1, 100)
    core.save("Opportunity", [{"Id": deal, "CampaignId": other}], "update")
    assert (counts(core, campaign)[3], counts(core, other)[3:]) == (0, (1, 100))
    core.save("CampaignMember", [{"Id": member}], "delete")
    core.save("Opportunity", [{"Id": deal}], "delete")
    assert (counts(core, campaign)[0], counts(core, other)[3:]) == (0, (0, 0))
    core.save("Opportunity", [{"Id": deal}], "undelete")
    assert counts(core, other)[3:] == (1, 100)


def test_a_case_shows_the_present_contact_data(core: Core) -> None:
    contact = core.make("Contact", LastName="C", Email="old@case.example")
    case = core.make("Case", Subject="S", ContactId=contact)
    stamp = core.row("Case", case)["SystemModstamp"]
    core.save("Contact", [{"Id": contact, "Email": "new@case.example", "Phone": "1"}], "update")
    row = core.row("Case", case)
    assert (row["ContactEmail"], row["ContactPhone"], row["SystemModstamp"]) == ("new@case.example", "1", stamp)


def test_an_article_has_two_faces(core: Core) -> None:
    made = core.make("Knowledge__kav", Title="How", UrlName="how")
    version = core.row("KnowledgeArticleVersion", made)
    assert (version["Title"], version["PublishStatus"], version["ArticleType"]) == ("How", "Draft", "Knowledge__kav")
    master = core.row("KnowledgeArticle", version["KnowledgeArticleId"])
    assert master["ArticleNumber"] == version["ArticleNumber"]
    core.save("Knowledge__kav", [{"Id": made, "Title": "How to"}], "update")
    assert core.row("KnowledgeArticleVersion", made)["Title"] == "How to"
    core.save("Knowledge__kav", [{"Id": made}], "delete")
    assert core.row("KnowledgeArticleVersion", made)["IsDeleted"] == 1


def test_related_records_by_path(core: Core) -> None:
    account = core.make("Account", Name="Parent")
    contact = core.make("Contact", LastName="Child", AccountId=account)
    listed = core.call("GET", f"sobjects/Account/{account}/Contacts").json()
    assert (listed["totalSize"], listed["records"][0]["LastName"]) == (1, "Child")
    assert core.call("GET", f"sobjects/Account/{account}/Contacts?fields=Email").json()["records"][0]["Email"] is None
    assert core.call("GET", f"sobjects/Contact/{contact}/Account").json()["Name"] == "Parent"
    assert (
        core.call("GET", f"sobjects/Contact/{contact}/Account/Owner?fields=Username").json()["Username"] == "ada@core.example"
    )
    assert core.call("PATCH", f"sobjects/Contact/{contact}/Account", json={"Site": "HQ"}).status_code == 204
    assert core.row("Account", account)["Site"] == "HQ"
    assert core.call("GET", f"sobjects/Contact/{contact}/ReportsTo").status_code == 404
    assert core.call("GET", f"sobjects/Account/{account}/Nonsense").status_code == 404
    core.save("Account", [{"Id": account}], "delete")
    assert core.call("GET", f"sobjects/Account/{account}/Contacts").status_code == 404


def test_a_report_in_a_hidden_folder_is_not_found(core: Core) -> None:
    org = core.org
    with org.store.write():
        folder, report = org.store.next_ids("Folder", 1)[0], org.store.next_ids("Report", 1)[0]
        org.store.insert("Folder", [{"Id": folder, "Name": "Secret", "DeveloperName": "Secret", "AccessType": "Public"}])
        org.store.insert("Report", [{"Id": report, "Name": "R", "OwnerId": folder, "IsDeleted": 0}])
    assert core.call("GET", f"sobjects/Report/{report}").status_code == 200
    core.control("settings", {"extra": {"hidden_folders": ["Secret"]}})
    assert core.call("GET", f"sobjects/Report/{report}").status_code == 404


def test_a_platform_event_is_published_but_not_read(core: Core) -> None:
    made = core.call("POST", "sobjects/Deal_Signal__e", json={"Signal__c": "won"})
    assert made.status_code == 201
    assert made.json()["errors"][0]["statusCode"] == "OPERATION_ENQUEUED"
    refused = core.call("GET", "query", params={"q": "SELECT Id FROM Deal_Signal__e"}).json()
    assert refused == [
        {"message": "entity type Deal_Signal__e does not support query", "errorCode": "INVALID_TYPE_FOR_OPERATION"}
    ]
    missing = core.call("POST", "sobjects/Deal_Signal__e", json={})
    assert missing.json()[0]["errorCode"] == "REQUIRED_FIELD_MISSING"


def test_a_case_without_status_is_open(core: Core) -> None:
    made = core.call("POST", "sobjects/Case", json={"Subject": "S", "Status": None})
    assert made.status_code == 201
    assert core.row("Case", made.json()["id"])["IsClosed"] == 0


def test_published_articles_in_the_readers_language(core: Core) -> None:
    made = core.make("Knowledge__kav", Title="How", UrlName="how", PublishStatus="Online", Question__c="Why?")
    core.make("Knowledge__kav", Title="Draft", UrlName="draft")
    german = {"Accept-Language": "de"}
    english = {"Accept-Language": "en-US"}
    assert core.call("GET", "support/knowledgeArticles", headers={"Accept-Language": ""}).status_code == 400
    assert core.call("GET", "support/knowledgeArticles", headers=german).json()["articles"] == []
    (article,) = core.call("GET", "support/knowledgeArticles?pageSize=1", headers=english).json()["articles"]
    assert (article["title"], article["urlName"]) == ("How", "how")
    shown = core.call("GET", f"support/knowledgeArticles/{article['id']}", headers=english).json()
    assert {each["name"]: each["value"] for each in shown["layoutItems"]}["Question__c"] == "Why?"
    assert core.call("GET", f"sobjects/KnowledgeArticleVersion/{made}").json()["Title"] == "How"


def test_a_version_without_its_zero_does_not_exist(core: Core) -> None:
    assert core.call("GET", "/services/data/v60/sobjects").status_code == 404
