"""Helping customers: cases, comments and published knowledge articles."""

from integrations.demo_org.schema.catalogue.fields import (
    area,
    audit,
    counter,
    currency_code,
    define,
    deleted,
    flag,
    identity,
    mail,
    moment,
    number,
    owner,
    phone,
    pick,
    record_type,
    ref,
    rich,
    text,
    viewed,
    whole,
)
from integrations.demo_org.schema.types import Field, ObjectType

ARTICLE_LANGUAGES = "en_US=English; de=German; fr=French; ja=Japanese"


def case() -> ObjectType:
    """Case."""
    return define("Case", "Case", "Cases", "500", [
        identity("Case"), deleted(), ref("MasterRecordId", "Master Record ID", "Case", locked=True),
        counter("CaseNumber", "Case Number", name_field=True, id_lookup=True),
        ref("ContactId", "Contact ID", "Contact", children="Cases"),
        ref("AccountId", "Account ID", "Account", children="Cases"),
        ref("AssetId", "Asset ID", "Asset", children="Cases"), ref("ParentId", "Parent Case ID", "Case", children="Cases"),
        text("SuppliedName", "Name", 80), mail("SuppliedEmail", "Email Address"), text("SuppliedPhone", "Phone", 40),
        text("SuppliedCompany", "Company", 80),
        pick("Type", "Case Type", "Problem; Question; Feature Request; Incident; Other", 40), record_type(),
        pick("Status", "Status", "New*; Working; Escalated; Closed", 40),
        pick("Reason", "Case Reason", "Installation; Performance; Breakdown; Integration; Billing; Feedback; Other", 40),
        pick("Origin", "Case Origin", "Phone; Email; Web", 40), text("Subject", "Subject"),
        pick("Priority", "Priority", "High; Medium*; Low", 40), area("Description", "Description"),
        flag("IsClosed", "Closed", locked=True), moment("ClosedDate", "Closed Date", locked=True),
        flag("IsEscalated", "Escalated"), currency_code(), owner("Group User"), *audit(),
        phone("ContactPhone", "Contact Phone", locked=True), phone("ContactMobile", "Contact Mobile", locked=True),
        mail("ContactEmail", "Contact Email", locked=True), phone("ContactFax", "Contact Fax", locked=True),
        area("Comments", "Internal Comments", 4000, sortable=True, aggregatable=True), *viewed(),
        text("External_Id__c", "External ID", 64, external_id=True, unique=True),
        number("Satisfaction__c", "Satisfaction (1-5)", 1, 0),
    ])  # fmt: skip


def case_comment() -> ObjectType:
    """CaseComment."""
    return define("CaseComment", "Case Comment", "Case Comments", "00a", [
        identity("Case Comment"), ref("ParentId", "Parent Case ID", "Case", required=True, updateable=False,
                                      children="CaseComments", cascade=True),
        flag("IsPublished", "Published"), area("CommentBody", "Body", 4000),
        ref("CreatedById", "Created By ID", "User", required=True, locked=True, defaulted_on_create=True),
        moment("CreatedDate", "Created Date", required=True, locked=True, defaulted_on_create=True),
        moment("SystemModstamp", "System Modstamp", required=True, locked=True, defaulted_on_create=True),
        moment("LastModifiedDate", "Last Modified Date", required=True, locked=True, defaulted_on_create=True),
        ref("LastModifiedById", "Last Modified By ID", "User", required=True, locked=True, defaulted_on_create=True),
        deleted(),
    ], undeletable=False)  # fmt: skip


def _article_fields() -> list[Field]:
    return [
        ref("KnowledgeArticleId", "Knowledge Article ID", "KnowledgeArticle", required=True, locked=True),
        owner(updateable=False), deleted(), *audit(),
        pick("ValidationStatus", "Validation Status", "Not Validated; Validated"),
        pick("PublishStatus", "Publication Status", "Draft*; Online=Published; Archived", 40, required=True,
             restricted=True, updateable=False),
        whole("VersionNumber", "Version Number", 9, locked=True), flag("IsLatestVersion", "Is Latest Version", locked=True),
        flag("IsVisibleInApp", "Visible In Internal App"), flag("IsVisibleInPkb", "Visible In Public Knowledge Base"),
        flag("IsVisibleInCsp", "Visible to Customer"), flag("IsVisibleInPrm", "Visible to Partner"),
        pick("Language", "Language", ARTICLE_LANGUAGES.replace("English", "English*"), 40, required=True,
             restricted=True, updateable=False),
        text("Title", "Title", required=True, name_field=True), text("UrlName", "URL Name", required=True),
        counter("ArticleNumber", "Article Number", "{000000000}"), area("Summary", "Summary", 1000),
        moment("FirstPublishedDate", "First Published Date", locked=True),
        moment("LastPublishedDate", "Last Published Date", locked=True),
        flag("IsMasterLanguage", "Is Master Language", locked=True), flag("IsOutOfDate", "Is Out of Date", locked=True),
        moment("ArchivedDate", "Archived Date", locked=True), ref("ArchivedById", "Archived By ID", "User", locked=True),
        whole("ArticleTotalViewCount", "View Count", 9, locked=True), *viewed(),
        whole("ArticleCaseAttachCount", "Case Attach Count", 9, locked=True), moment("NextReviewDate", "Next Review Date"),
    ]  # fmt: skip


def article() -> ObjectType:
    """Knowledge__kav: a version of an article in one language."""
    return define("Knowledge__kav", "Knowledge", "Knowledge", "ka0", [
        identity("Knowledge"), *_article_fields(),
        text("Question__c", "Question"), rich("Answer__c", "Answer"), text("Features__c", "Product Features"),
    ], undeletable=False)  # fmt: skip


def article_version() -> ObjectType:
    """KnowledgeArticleVersion: the versions of all article types, without their custom fields."""
    return define("KnowledgeArticleVersion", "Knowledge Article Version", "Knowledge Article Versions", "ka1", [
        identity("Knowledge Article Version"), *_article_fields(), text("ArticleType", "Article Type", 80),
    ], read_only=True)  # fmt: skip


def article_master() -> ObjectType:
    """KnowledgeArticle: what the versions and translations belong to."""
    return define("KnowledgeArticle", "Knowledge Article", "Knowledge Articles", "kA0", [
        identity("Knowledge Article"), deleted(), *audit(), counter("ArticleNumber", "Article Number", "{000000000}",
                                                                    name_field=True),
        pick("MasterLanguage", "Master Language", ARTICLE_LANGUAGES, 40, restricted=True),
        moment("FirstPublishedDate", "First Published Date"), moment("LastPublishedDate", "Last Published Date"),
        moment("ArchivedDate", "Archived Date"), whole("CaseAssociationCount", "Case Association Count", 9),
    ], read_only=True, searchable=False)  # fmt: skip


def objects() -> list[ObjectType]:
    """Service and knowledge."""
    return [case(), case_comment(), article(), article_version(), article_master()]
