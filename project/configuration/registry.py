"""All parts of the file, in the order in which they are written and brought about: each after those that it names."""

from project.configuration.parts import alerts, analytics, billing, connections, mapping, okr, product, provisioning
from project.configuration.section import Section

SECTIONS: tuple[Section, ...] = (
    *okr.SECTIONS[:2], connections.SECTIONS[0], okr.SECTIONS[2], connections.SECTIONS[1], mapping.SECTIONS[0], *product.FIRST,
    *provisioning.FIRST, *billing.SECTIONS[:3], mapping.SECTIONS[1], *product.SECTIONS, billing.SECTIONS[3],
    *provisioning.SECTIONS, *analytics.SECTIONS,
    *alerts.SECTIONS,
)  # fmt: skip
