"""Help articles of the demo company about its planning software: published ones, some translated, a draft, an archived one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from integrations.demo_org.seed.article_texts import ARTICLES
from integrations.demo_org.seed.company import Company
from integrations.demo_org.seed.dice import Days
from integrations.demo_org.seed.loading import Loader

MASTER = "ArticleNumber MasterLanguage FirstPublishedDate LastPublishedDate ArchivedDate CaseAssociationCount *"
COLUMNS = (
    "KnowledgeArticleId OwnerId ValidationStatus PublishStatus VersionNumber IsLatestVersion IsVisibleInApp IsVisibleInPkb"
    " IsVisibleInCsp IsVisibleInPrm Language Title UrlName ArticleNumber Summary FirstPublishedDate LastPublishedDate"
    " IsMasterLanguage ArchivedDate ArticleTotalViewCount ArticleCaseAttachCount *"
)
LISTS = {"-": "ul", "1": "ol"}
STRONG, CODE = re.compile(r"\*\*(.+?)\*\*"), re.compile(r"`(.+?)`")


@dataclass(frozen=True, slots=True)
class Text:
    """An article in one language. `body` is written in lines, see `to_html`."""

    language: str
    title: str
    summary: str
    body: str


def read_texts(text: str) -> list[Text]:
    """The languages of one article: `[language] title`, a line of summary, then the body."""
    found = []
    for part in text.strip().split("\n\n["):
        head, _, rest = part.lstrip("[").partition("\n")
        language, _, title = head.partition("] ")
        summary, _, body = rest.partition("\n")
        found.append(Text(language, title.strip(), summary.strip(), body))
    return found


def to_html(body: str) -> str:
    """HTML as Salesforce's rich text editor leaves it: `# ` a heading, `- ` and `1. ` list items, else a paragraph."""
    return "".join(_blocks([line for line in body.splitlines() if line.strip()]))


def _blocks(lines: list[str]) -> Iterator[str]:
    listing = ""
    for line in lines:
        mark, _, rest = line.partition(" ")
        kind = LISTS.get(mark.rstrip("."), "")
        if listing and kind != listing:
            yield f"</{listing}>"
        if kind and kind != listing:
            yield f"<{kind}>"
        listing = kind
        yield f"<li>{_inline(rest)}</li>" if kind else f"<h2>{_inline(rest)}</h2>" if mark == "#" else f"<p>{_inline(line)}</p>"
    if listing:
        yield f"</{listing}>"


def _inline(text: str) -> str:
    """`**strong**` and `` `code` ``."""
    text = STRONG.sub(r"<strong>\1</strong>", escape(text, quote=False))
    return CODE.sub(r"<code>\1</code>", text)


def slug_of(title: str) -> str:
    """The UrlName that Salesforce proposes for a title."""
    words = ("".join(c for c in word if c.isalnum()) for word in title.split())
    return "-".join(word for word in words if word)


def seed_articles(loader: Loader, days: Days, company: Company) -> None:
    """Every article with its versions; numbers, dates and visibility follow from its place in the list."""
    masters = loader.table("KnowledgeArticle", MASTER)
    articles = loader.table("Knowledge__kav", f"{COLUMNS} Question__c Answer__c Features__c")
    versions = loader.table("KnowledgeArticleVersion", f"{COLUMNS} ArticleType")
    owners = (company.users["pgomez"], company.users["nprice"])
    for number, (feature, state, seen, text) in enumerate(ARTICLES, 1):
        owner, first = owners[number % 2], days.date(-29 * number) + "T09:00:00.000Z"
        last = days.date(-(11 * number % 90) - 1) + "T10:30:00.000Z"
        dates = (first, last) if state != "Draft" else (None, None)
        archived = days.date(-2) + "T08:00:00.000Z" if state == "Archived" else None
        views, cases = number * 137 % 900, number * 7 % 12
        stamps, master = (first, owner, last, owner, last), masters.next_id()
        masters.add((master, f"{number:09d}", "en_US", *dates, archived, cases, *stamps))
        for each in read_texts(text):
            visible = (1, int("p" in seen), int("c" in seen), int("r" in seen))
            row = (
                master, owner, "Validated" if state == "Online" else "Not Validated", state, 1, 1, *visible, each.language,
                each.title, slug_of(each.title), f"{number:09d}", each.summary, *dates, int(each.language == "en_US"), archived,
                views, cases, *stamps,
            )  # fmt: skip
            id_ = articles.next_id()
            articles.add((id_, *row, each.title, to_html(each.body), feature))
            versions.add((id_, *row, "Knowledge__kav"))
