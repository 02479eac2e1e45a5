"""The features that are counted now, and a digest that says whether something was made with the same rules."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from integrations.product.kpis.registry import Column, FeatureKpis, columns_for
from integrations.product.kpis.rules import Rule, read_rules
from integrations.product.models import Feature


@dataclass(frozen=True)
class Counted:
    """Active features with their rules, those of them that are KPIs, and the digest of all that the roll-up depends on."""

    features: tuple[FeatureKpis, ...]
    rules: dict[int, tuple[Rule, ...]]
    offered: tuple[FeatureKpis, ...]
    digest: str

    @property
    def columns(self) -> list[Column]:
        """Every figure that is computed for a customer."""
        return columns_for(self.offered)

    @property
    def columns_digest(self) -> str:
        """Of the roll-up's rules and of which features are KPIs."""
        return _digest([self.digest, [[each.id, each.key] for each in self.offered]])


def read_counted() -> Counted:
    """The features as they are now."""
    found = list(Feature.objects.filter(active=True).order_by("pk"))
    features = {each.pk: FeatureKpis(each.pk, each.key, each.name, each.position) for each in found}
    offered = tuple(features[each.pk] for each in sorted(found, key=lambda each: each.key) if each.as_kpi)
    digest = _digest([[each.pk, each.position, each.rules] for each in found])
    return Counted(tuple(features.values()), {each.pk: read_rules(each.rules) for each in found}, offered, digest)


def offered_features(keys: Iterable[str] = ()) -> list[FeatureKpis]:
    """The features that are KPIs, by key; those with these keys when some are given."""
    found = Feature.objects.filter(active=True, as_kpi=True).order_by("key")
    wanted = set(keys)
    return [FeatureKpis(each.pk, each.key, each.name, each.position) for each in found if not wanted or each.key in wanted]


def offered_of(features: Iterable[Feature]) -> list[FeatureKpis]:
    """The same of features that were read before."""
    found = sorted((each for each in features if each.active and each.as_kpi), key=lambda each: each.key)
    return [FeatureKpis(each.pk, each.key, each.name, each.position) for each in found]


def _digest(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
