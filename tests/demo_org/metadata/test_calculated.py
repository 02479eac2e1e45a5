"""Deployed formula and roll-up summary fields, validation rules, dependent picklists: told, and really at work."""

import base64
import re

import pytest

from tests.conformity.packages import HEAD, SPACE, manifest, zipped
from tests.demo_org.core.served_org import Core
from tests.demo_org.hindrances import ways
from tests.demo_org.metadata.calling import deploy, grant, save, soap


def formula(core: Core, name: str, kind: str, text: str, more: str = "") -> str:
    size = "<precision>18</precision><scale>2</scale>" if kind in {"Number", "Currency", "Percent"} else ""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    inner = f"<fullName>{name}</fullName><formula>{escaped}</formula><label>Made</label>{size}<type>{kind}</type>{more}"
    return save(core, "CustomField", inner)


def made(core: Core, name: str, kind: str, text: str, more: str = "") -> None:
    assert "<success>true</success>" in (answer := formula(core, name, kind, text, more)), answer
    grant(core, name, editable=False, name=f"See_{name.partition('.')[2].removesuffix('__c')}")


def values(core: Core, text: str) -> list:
    answer = core.call("GET", "query", params={"q": text})
    assert answer.status_code == 200, answer.text
    return [list(each.values())[-1] for each in answer.json()["records"]]


@pytest.mark.parametrize(
    ("kind", "text", "row", "wanted"),
    [
        ("Number", "AnnualRevenue / NumberOfEmployees", {"AnnualRevenue": 100, "NumberOfEmployees": 8}, 12.5),
        ("Number", "AnnualRevenue / NumberOfEmployees", {"AnnualRevenue": 100, "NumberOfEmployees": 0}, None),
        ("Number", "NumberOfEmployees + 1", {}, 1.0),
        ("Currency", "ROUND(AnnualRevenue * 0.125, 1)", {"AnnualRevenue": 3}, 0.4),
        ("Percent", "NumberOfEmployees / 200", {"NumberOfEmployees": 50}, 25.0),
        ("Text", 'IF(ISBLANK(Site), "none", UPPER(Site) & "-" & TEXT(NumberOfEmployees))', {"Site": "a", "NumberOfEmployees": 7}, "A-7"),
        ("Text", 'IF(ISBLANK(Site), "none", Site)', {}, "none"),
        ("Text", "Site", {}, None),
        ("Text", 'CASE(Industry, "Energy", "E", "Banking", "B", "?")', {"Industry": "Banking"}, "B"),
        ("Checkbox", 'NumberOfEmployees >= 10 || CONTAINS(Name, "Big")', {"Name": "Big"}, True),
        ("Checkbox", "NumberOfEmployees > 10", {"NumberOfEmployees": 10}, False),
        ("Text", "LEFT(Name, 2) & RIGHT(Name, 2)", {"Name": "Harbor"}, "Haor"),
    ],
)  # fmt: skip
def test_formula_fields_are_calculated(core: Core, kind: str, text: str, row: dict, wanted: object) -> None:
    made(core, "Account.Calc__c", kind, text)
    account = core.make("Account", **({"Name": "x"} | row))
    assert values(core, "SELECT Calc__c FROM Account") == [wanted]
    assert core.call("GET", f"sobjects/Account/{account}").json()["Calc__c"] == wanted
    fields = {each["name"]: each for each in core.call("GET", "sobjects/Account/describe").json()["fields"]}
    told = fields["Calc__c"]
    assert (told["calculated"], told["calculatedFormula"], told["updateable"]) == (True, text, False)
    assert ways.single(core, "Account", "update", {"Id": account, "Calc__c": None}) == "INVALID_FIELD_FOR_INSERT_UPDATE"


def test_a_formula_builds_on_another_and_on_the_parent(core: Core) -> None:
    made(core, "Account.Double__c", "Number", "NumberOfEmployees * 2")
    made(core, "Account.Fourfold__c", "Number", "Double__c * 2")
    made(core, "Contact.Company__c", "Text", 'LastName & " of " & Account.Name')
    account = core.make("Account", Name="Acme", NumberOfEmployees=3)
    core.make("Contact", LastName="Lee", AccountId=account)
    assert values(core, "SELECT Fourfold__c FROM Account WHERE Fourfold__c > 11 ORDER BY Fourfold__c") == [12.0]
    assert values(core, "SELECT Company__c FROM Contact WHERE Company__c = 'lee of acme'") == ["Lee of Acme"]
    wanted = "deleteMetadata", "<type>CustomField</type><fullNames>Account.Double__c</fullNames>"
    assert "DEPENDENCY_EXISTS" in soap(core, *wanted).text
    assert "<success>true</success>" in formula(core, "Account.Double__c", "Number", "NumberOfEmployees * 3")
    assert values(core, "SELECT Fourfold__c FROM Account") == [18.0]
    looped = formula(core, "Account.Double__c", "Number", "Fourfold__c + 1")
    assert "<success>false</success>" in looped
    read = soap(core, "readMetadata", "<type>CustomField</type><fullNames>Account.Fourfold__c</fullNames>").text
    assert "<formula>Double__c * 2</formula>" in read


def test_percents_count_as_fractions(core: Core) -> None:
    core.control("fields", {"object": "Account", "field": {"name": "Rate__c", "type": "percent", "precision": 5, "scale": 2}})
    made(core, "Account.Share__c", "Number", "Rate__c * 200")
    core.make("Account", Name="x", Rate__c=25)
    assert values(core, "SELECT Share__c FROM Account") == [50.0]


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("Number", "Nope__c + 1", "does not exist"), ("Number", "Name", "incompatible with expected data type"),
        ("Text", "VLOOKUP(Name, Name, Name)", "Unknown function VLOOKUP"), ("Number", "1 +", "Syntax error"),
        ("Checkbox", "ISCHANGED(Name)", "cannot be used here"), ("Number", "Bad__c + 1", "does not exist"),
        ("Picklist", "Name", "cannot be of type"), ("Text", "Industry", "incompatible"),
    ],
)  # fmt: skip
def test_formulas_that_are_not_understood_are_refused(core: Core, kind: str, text: str, told: str) -> None:
    answer = formula(core, "Account.Bad__c", kind, text)
    assert told in answer
    assert core.org.schema.find("Account").find("Bad__c") is None


def summary(core: Core, name: str, inner: str) -> str:
    return save(core, "CustomField", f"<fullName>{name}</fullName><label>Made</label>{inner}<type>Summary</type>")


def test_roll_ups_follow_their_details(core: Core) -> None:
    link = "<summaryForeignKey>Project__c.Account__c</summaryForeignKey>"
    budget = "<summarizedField>Project__c.Budget__c</summarizedField>"
    live = ("<summaryFilterItems><field>Project__c.Status__c</field><operation>equals</operation>"
            "<value>Live, Pilot</value></summaryFilterItems>")  # fmt: skip
    for name, inner in (
        ("Count__c", f"<summaryOperation>count</summaryOperation>{link}"),
        ("Sum__c", f"{budget}<summaryOperation>sum</summaryOperation>{link}{live}"),
        ("Max__c", f"{budget}<summaryOperation>max</summaryOperation>{link}"),
    ):
        assert "<success>true</success>" in (told := summary(core, f"Account.{name}", inner)), told
        grant(core, f"Account.{name}", editable=False, name=f"See_{name.removesuffix('__c')}")
    account, other = core.make("Account", Name="A"), core.make("Account", Name="B")
    first = core.make("Project__c", Name="P1", Account__c=account, Budget__c=10, Status__c="Live")
    core.make("Project__c", Name="P2", Account__c=account, Budget__c=5, Status__c="Pilot")
    core.make("Project__c", Name="P3", Account__c=account, Budget__c=99, Status__c="On Hold")
    found = core.call("GET", "query", params={"q": "SELECT Count__c, Sum__c, Max__c FROM Account ORDER BY Name"}).json()[
        "records"
    ]
    assert [(each["Count__c"], each["Sum__c"], each["Max__c"]) for each in found] == [(3, 15.0, 99.0), (0, 0.0, None)]
    core.control("delete", {"object": "Project__c", "id": first})
    assert values(core, f"SELECT Sum__c FROM Account WHERE Id = '{account}'") == [5.0]
    assert values(core, "SELECT Id FROM Account WHERE Count__c = 0") == [other]
    read = soap(core, "readMetadata", "<type>CustomField</type><fullNames>Account.Sum__c</fullNames>").text
    assert "<type>Summary</type>" in read
    assert "<summaryOperation>sum</summaryOperation>" in read


@pytest.mark.parametrize(
    "inner",
    [
        "<summaryOperation>count</summaryOperation><summaryForeignKey>Contact.AccountId</summaryForeignKey>",
        "<summaryOperation>count</summaryOperation><summaryForeignKey>Nope.AccountId</summaryForeignKey>",
        "<summaryOperation>median</summaryOperation><summaryForeignKey>Project__c.Account__c</summaryForeignKey>",
        ("<summaryOperation>sum</summaryOperation><summarizedField>Project__c.Name</summarizedField>"
         "<summaryForeignKey>Project__c.Account__c</summaryForeignKey>"),
    ],
)  # fmt: skip
def test_roll_ups_that_cannot_be_are_refused(core: Core, inner: str) -> None:
    assert "<success>false</success>" in summary(core, "Account.Bad__c", inner)


def rule_file(condition: str, *, active: str = "true") -> str:
    escaped = condition.replace("&", "&amp;").replace("<", "&lt;")
    return (
        f"{HEAD}<CustomObject {SPACE}><validationRules><fullName>Guard</fullName><active>{active}</active>"
        f"<errorConditionFormula>{escaped}</errorConditionFormula><errorDisplayField>Phone</errorDisplayField>"
        "<errorMessage>Phone please</errorMessage></validationRules></CustomObject>"
    )


def rule_package(condition: str, *, active: str = "true") -> bytes:
    files = {"package.xml": manifest({"ValidationRule": ["Account.Guard"]}),
             "objects/Account.object": rule_file(condition, active=active)}  # fmt: skip
    return zipped(files)


def test_a_deployed_rule_is_evaluated_until_it_is_inactive_or_deleted(core: Core) -> None:
    _, answer = deploy(core, rule_package('AND(ISBLANK(Phone), ISPICKVAL(Industry, "Banking"))'))
    assert "<status>Succeeded</status>" in answer
    assert "<componentType>ValidationRule</componentType>" in answer
    bad, good = {"Name": "x", "Industry": "Banking"}, {"Name": "x", "Industry": "Banking", "Phone": "1"}
    assert ways.every_way(core, "Account", "insert", bad) == {"FIELD_CUSTOM_VALIDATION_EXCEPTION"}
    assert ways.every_way(core, "Account", "insert", good) == {""}
    told = core.call("POST", "sobjects/Account", json=bad).json()[0]
    assert (told["message"], told["fields"]) == ("Phone please", ["Phone"])
    _, answer = deploy(core, rule_package("ISBLANK(Phone)", active="false"))
    assert "<created>false</created>" in answer
    assert ways.single(core, "Account", "insert", bad) == ""
    deploy(core, rule_package("ISBLANK(Phone)"))
    assert ways.single(core, "Account", "insert", {"Name": "x"}) == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    files = {"package.xml": manifest({}), "destructiveChanges.xml": manifest({"ValidationRule": ["Account.Guard"]})}
    deploy(core, zipped(files))
    assert ways.single(core, "Account", "insert", {"Name": "x"}) == ""


def test_a_rule_that_is_not_understood_fails_the_deployment(core: Core) -> None:
    _, answer = deploy(core, rule_package("REGEX(Phone, 'x')"))
    assert "<status>Failed</status>" in answer
    assert "Unknown function REGEX" in answer
    assert ways.single(core, "Account", "insert", {"Name": "x"}) == ""


def test_a_rule_is_listed_read_and_retrieved(core: Core) -> None:
    deploy(core, rule_package("ISBLANK(Phone)"))
    assert (
        "<fullName>Account.Guard</fullName>"
        in soap(core, "listMetadata", "<queries><type>ValidationRule</type></queries>").text
    )
    read = soap(core, "readMetadata", "<type>ValidationRule</type><fullNames>Account.Guard</fullNames>").text
    assert "<errorConditionFormula>ISBLANK(Phone)</errorConditionFormula>" in read
    whole = soap(core, "readMetadata", "<type>CustomObject</type><fullNames>Account</fullNames>").text
    assert "<validationRules><fullName>Guard</fullName><active>true</active>" in whole
    package = "<types><members>Account.Guard</members><name>ValidationRule</name></types><version>60.0</version>"
    inner = f"<retrieveRequest><apiVersion>60.0</apiVersion><unpackaged>{package}</unpackaged></retrieveRequest>"
    found = re.search(r"<id>(09S\w+)</id>", soap(core, "retrieve", inner).text)
    assert found
    asked = f"<asyncProcessId>{found[1]}</asyncProcessId><includeZip>true</includeZip>"
    packed = re.search(r"<zipFile>([^<]+)</zipFile>", soap(core, "checkRetrieveStatus", asked).text)
    assert packed
    assert base64.b64decode(packed[1])[:2] == b"PK"


def test_a_field_that_a_rule_needs_is_not_deleted(core: Core) -> None:
    save(core, "CustomField", "<fullName>Account.Needed__c</fullName><label>N</label><length>9</length><type>Text</type>")
    deploy(core, rule_package("ISBLANK(Needed__c)"))
    answer = soap(core, "deleteMetadata", "<type>CustomField</type><fullNames>Account.Needed__c</fullNames>").text
    assert "DEPENDENCY_EXISTS" in answer
    assert "Account.Guard" in answer


def test_dependent_picklists_are_told_in_describe(core: Core) -> None:
    controlling = "".join(
        f"<value><fullName>{each}</fullName><default>false</default><label>{each}</label></value>" for each in "AB"
    )
    save(core, "CustomField", "<fullName>Account.Area__c</fullName><label>Area</label><type>Picklist</type><valueSet>"
         f"<valueSetDefinition><sorted>false</sorted>{controlling}</valueSetDefinition></valueSet>")  # fmt: skip
    entries = controlling.replace(">A<", ">a1<").replace(">B<", ">b1<")
    settings = ("<valueSettings><controllingFieldValue>A</controllingFieldValue><valueName>a1</valueName></valueSettings>"
                "<valueSettings><controllingFieldValue>B</controllingFieldValue><valueName>b1</valueName></valueSettings>")  # fmt: skip
    answer = save(core, "CustomField", "<fullName>Account.City__c</fullName><label>City</label><type>Picklist</type><valueSet>"
                  f"<controllingField>Area__c</controllingField><restricted>true</restricted><valueSetDefinition>"
                  f"<sorted>false</sorted>{entries}</valueSetDefinition>{settings}</valueSet>")  # fmt: skip
    assert "<success>true</success>" in answer
    for name in ("Area__c", "City__c"):
        grant(core, f"Account.{name}", name=f"See_{name.removesuffix('__c')}")
    fields = {each["name"]: each for each in core.call("GET", "sobjects/Account/describe").json()["fields"]}
    city = fields["City__c"]
    assert (city["dependentPicklist"], city["controllerName"]) == (True, "Area__c")
    bits = {each["value"]: base64.b64decode(each["validFor"])[0] for each in city["picklistValues"]}
    assert bits == {"a1": 0b10000000, "b1": 0b01000000}


def test_who_holds_modify_metadata_may_deploy(core: Core) -> None:
    org = core.org
    with org.store.write() as connection:
        profile = org.store.next_ids("Profile", 1)[0]
        org.store.insert(
            "Profile", [{"Id": profile, "Name": "Causeway Integration", "SystemModstamp": "2026-01-02T03:04:05.000Z"}]
        )
        connection.execute('UPDATE "User" SET ProfileId = ?', (profile,))
        own = org.store.next_ids("PermissionSet", 1)[0]
        row = {"Id": own, "Name": "X", "Label": "X", "ProfileId": profile, "IsOwnedByProfile": 1}
        org.store.insert("PermissionSet", [row])
    assert "INSUFFICIENT_ACCESS" in formula(core, "Account.Calc__c", "Number", "1")
    with org.store.write() as connection:
        connection.execute("UPDATE PermissionSet SET PermissionsModifyMetadata = 1 WHERE Id = ?", (own,))
    assert "<success>true</success>" in formula(core, "Account.Calc__c", "Number", "1")
