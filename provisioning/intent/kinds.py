"""Is a deal new business, an amendment or a renewal (ST-D12), and which stages are trials (ST-D11)? Pure."""

import re
from collections.abc import Iterable

from provisioning.intent.deal import Deal
from provisioning.intent.facts import Rules

WON, TRIAL, AMENDMENT, RENEWAL = "won", "trial", "amendment", "renewal"
TRIAL_STAGE = re.compile(r"poc|proof[\s_-]+of[\s_-]+concept", re.IGNORECASE)


def nature_of(deal: Deal, rules: Rules) -> str:
    """`amendment`, `renewal` or `won`: CPQ's marks decide, then the opportunity's type."""
    quote = deal.quote.type.casefold() if deal.quote else ""
    if quote == "amendment" or (quote != "renewal" and deal.amends):
        return AMENDMENT
    if quote == "renewal" or deal.renews:
        return RENEWAL
    if is_among(deal.type, rules.amendment_types):
        return AMENDMENT
    return RENEWAL if is_among(deal.type, rules.renewal_types) else WON


def is_trial_stage(stage: str) -> bool:
    """Whether a stage's name says that it is a trial, where nobody chose stages."""
    return bool(TRIAL_STAGE.search(stage))


def is_among(text: str, values: Iterable[str]) -> bool:
    """Whether a picklist value is one of several; case and outer blanks do not matter."""
    word = text.strip().casefold()
    return bool(word) and word in {each.strip().casefold() for each in values}
