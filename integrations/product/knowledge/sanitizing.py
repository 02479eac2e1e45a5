"""HTML of articles made safe for our pages and for a visitor's browser: a short list of harmless tags, nothing that runs.

Pictures are left out: Salesforce serves them only to its own users, and their address would tell who reads what.
"""

from django.utils.html import escape, strip_tags

try:
    import nh3
except ModuleNotFoundError:  # an installation that was updated without its packages shows plain text, never unsafe HTML
    nh3 = None

HEADINGS = {f"h{level}" for level in range(1, 7)}
BLOCKS = {"p", "div", "blockquote", "pre", "hr", "br", "ul", "ol", "li", "dl", "dt", "dd"}
INLINE = {"a", "abbr", "b", "code", "del", "em", "i", "ins", "kbd", "mark", "q", "s", "small", "span", "strong"}
INLINE |= {"sub", "sup", "u"}
TABLES = {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"}
TAGS = HEADINGS | BLOCKS | INLINE | TABLES
ATTRIBUTES = {"a": {"href", "title"}, "th": {"colspan", "rowspan", "scope"}, "td": {"colspan", "rowspan"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto", "tel"}
DROPPED_WHOLE = {"script", "style", "iframe", "object", "embed", "template", "noscript", "svg", "math", "title"}


def clean_html(html: str) -> str:
    """`html` with harmless tags only. Links leave the page without telling where from; those within Salesforce lose their
    address, because they lead nowhere outside of it."""
    if nh3 is None:
        return escape(strip_tags(html))
    return nh3.clean(
        html, tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES, clean_content_tags=DROPPED_WHOLE, strip_comments=True,
        link_rel="noopener noreferrer nofollow", attribute_filter=_absolute_only,
    )  # fmt: skip


def _absolute_only(tag: str, attribute: str, value: str) -> str | None:
    """Drop addresses without a scheme: they would point into our own site."""
    if (tag, attribute) != ("a", "href"):
        return value
    scheme = value.strip().partition(":")[0].lower()
    return value if scheme in SCHEMES and ":" in value else None


def text_to_html(text: str) -> str:
    """Plain text as paragraphs; single line breaks stay."""
    parts = [part.strip() for part in text.replace("\r\n", "\n").split("\n\n")]
    return "".join(f"<p>{escape(part).replace(chr(10), '<br>')}</p>" for part in parts if part)
