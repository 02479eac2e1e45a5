"""Fields that follow other records: campaign counts, the contact's numbers on cases, the two faces of knowledge articles.

Set-based SQL once per save or removal. None of it moves SystemModstamp, as in Salesforce.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from integrations.demo_org import consequences
from integrations.demo_org.store import has_column, quote

if TYPE_CHECKING:
    from integrations.demo_org.consequences import Part, Written
    from integrations.demo_org.schema.types import ObjectType

MEMBERS = "(SELECT COUNT(*) FROM CampaignMember m WHERE m.CampaignId = Campaign.Id AND m.IsDeleted = 0 AND {})"
DEALS = "FROM Opportunity o WHERE o.CampaignId = Campaign.Id AND o.IsDeleted = 0"
CONVERTED = "m.LeadId IN (SELECT l.Id FROM Lead l WHERE l.IsConverted = 1)"
COUNTS = {
    "NumberOfLeads": MEMBERS.format("m.LeadId IS NOT NULL"),
    "NumberOfContacts": MEMBERS.format("m.ContactId IS NOT NULL"),
    "NumberOfResponses": MEMBERS.format("m.HasResponded = 1"),
    "NumberOfConvertedLeads": MEMBERS.format(CONVERTED),
    "NumberOfOpportunities": f"(SELECT COUNT(*) {DEALS})",
    "NumberOfWonOpportunities": f"(SELECT COUNT(*) {DEALS} AND o.IsWon = 1)",
    "AmountAllOpportunities": f"(SELECT COALESCE(SUM(o.Amount), 0) {DEALS})",
    "AmountWonOpportunities": f"(SELECT COALESCE(SUM(o.Amount), 0) {DEALS} AND o.IsWon = 1)",
}
COPIES = {"ContactPhone": "Phone", "ContactMobile": "MobilePhone", "ContactEmail": "Email", "ContactFax": "Fax"}
IN_CAMPAIGNS = frozenset({"CampaignMember", "Opportunity"})
ARTICLE, VERSION, MASTER = "Knowledge__kav", "KnowledgeArticleVersion", "KnowledgeArticle"


def follow_save(work: "Written", part: "Part") -> None:
    """What other records take over from those that were saved."""
    name = work.stored.name
    if name in IN_CAMPAIGNS:
        count_campaigns(work, part.ids, (old.get("CampaignId") for old in part.before.values()))
    elif name == "Contact" and not part.is_new and part.names & set(COPIES.values()):
        copy_contacts(work, part.ids)
    elif name in {ARTICLE, VERSION}:
        if part.is_new:
            found_articles(work, part.ids)
        mirror_articles(work, part.ids, source=name)


def follow_removal(work: "Written", kind: "ObjectType", ids: Sequence[str]) -> None:
    """The same after records went to the recycle bin, or came back."""
    if kind.name in IN_CAMPAIGNS:
        count_campaigns(work, ids, (), kind=kind)
    elif kind.name == ARTICLE:
        mirror_articles(work, ids, source=ARTICLE)


def count_campaigns(work: "Written", ids: Sequence[str], former: Iterable[object], *, kind: "ObjectType | None" = None) -> None:
    """Count the campaigns anew to which the given members or deals belong (or did before)."""
    kind = kind or work.stored
    if work.org.schema.find("Campaign") is None or not kind.find("CampaignId"):
        return
    sql = f"SELECT DISTINCT CampaignId FROM {quote(kind.name)} WHERE {consequences.AMONG}"  # noqa: S608
    rows = work.connection.execute(sql, {"ids": consequences.to_json(ids)})
    found = {row[0] for row in rows} | set(former)
    campaigns = [each for each in found if isinstance(each, str)]
    values = COUNTS if all(work.org.schema.find(each) for each in ("CampaignMember", "Opportunity", "Lead")) else {}
    consequences.set_columns(work, campaigns, values, object_name="Campaign")


def count_lead(work: "Written", lead_id: str) -> None:
    """The campaigns of a converted lead."""
    rows = work.connection.execute("SELECT CampaignId FROM CampaignMember WHERE LeadId = ?", (lead_id,))
    consequences.set_columns(work, [row[0] for row in rows if row[0]], COUNTS, object_name="Campaign")


def copy_contacts(work: "Written", contacts: Sequence[str]) -> None:
    """Cases show the present numbers and address of their contact."""
    case, contact = work.org.schema.find("Case"), work.stored
    if case is None:
        return
    names = [(name, source) for name, source in COPIES.items() if case.find(name) and contact.find(source)]
    parts = ", ".join(f"{name} = (SELECT c.{source} FROM Contact c WHERE c.Id = ContactId)" for name, source in names)  # noqa: S608
    if parts:
        sql = f'UPDATE "Case" SET {parts} WHERE ContactId IN (SELECT value FROM json_each(:ids))'  # noqa: S608
        work.connection.execute(sql, {"ids": consequences.to_json(contacts)})


def found_articles(work: "Written", ids: Sequence[str]) -> None:
    """A new article version is the first of a new article."""
    if work.org.schema.find(MASTER) is None or work.stored.name != ARTICLE:
        return
    masters = work.org.store.next_ids(MASTER, len(ids))
    stamp, user = work.stamp, work.user_id
    read = f"SELECT ArticleNumber, Language FROM {ARTICLE} WHERE Id = ?"  # noqa: S608 - a name of our own
    for master, version in zip(masters, ids, strict=True):
        number, language = work.connection.execute(read, (version,)).fetchone()
        row = {
            "Id": master, "ArticleNumber": number, "MasterLanguage": language, "CaseAssociationCount": 0, "IsDeleted": 0,
            "CreatedDate": stamp, "CreatedById": user, "LastModifiedDate": stamp, "LastModifiedById": user,
            "SystemModstamp": stamp,
        }  # fmt: skip
        work.org.store.insert(MASTER, [row])
        consequences.set_columns(work, [version], {"KnowledgeArticleId": f"'{master}'", "VersionNumber": "1",
                                                   "IsLatestVersion": "1", "IsMasterLanguage": "1"})  # fmt: skip


def mirror_articles(work: "Written", ids: Sequence[str], *, source: str) -> None:
    """Knowledge__kav and KnowledgeArticleVersion are two views of one row."""
    target = VERSION if source == ARTICLE else ARTICLE
    ours, theirs = work.org.schema.find(source), work.org.schema.find(target)
    if ours is None or theirs is None:
        return
    names = [each.name for each in ours.fields if has_column(each) and (other := theirs.find(each.name)) and has_column(other)]
    columns, listed = ", ".join(map(quote, names)), {"ids": consequences.to_json(ids)}
    copied = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in names if name != "Id")
    constant = (", ArticleType", f", '{ARTICLE}'") if target == VERSION else ("", "")
    sql = (
        f"INSERT INTO {target} ({columns}{constant[0]}) SELECT {columns}{constant[1]} FROM {source} "  # noqa: S608
        f"WHERE {consequences.AMONG} ON CONFLICT (Id) DO UPDATE SET {copied}"
    )
    work.connection.execute(sql, listed)


consequences.FOLLOWERS.append(follow_save)
consequences.REMEMBERED.update(dict.fromkeys(IN_CAMPAIGNS, ("CampaignId",)))
