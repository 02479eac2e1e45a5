"""Our own metadata of the billing objects, for orgs without the package: objects, fields, permission sets, tabs, app, layouts.

Made from the one table of objects; unpackaged, so without a prefix (MT-D15). Pure.
"""

from collections.abc import Sequence

from billing.objects import ACCOUNT, AUTO_NUMBER, BY_KEY, CUSTOMER_ACCOUNT, FORMULA, LOOKUP, OBJECTS, BillingObject, Field
from integrations.salesforce.metadata import CustomField, CustomObject, FieldPermission, ObjectPermission, PermissionSet
from integrations.salesforce.metadata_package import CustomApp, CustomTab, MetadataPackage, PageLayout

READERS, READERS_LABEL = "Metronome_User", "Metronome User Permission Set"
WRITERS, WRITERS_LABEL = "Causeway_Billing", "Causeway Billing"
APP, APP_LABEL = "Metronome", "Metronome App"
NO_PREFIX = ""
DESCRIPTION = "Billing objects that Causeway writes. Changes by hand are overwritten."
LAYOUT = "Layout"


def package_of(*, junction: bool = False) -> MetadataPackage:
    """Everything that an empty org needs, with the `junction` between customers and accounts if wanted; deploying it again
    changes nothing."""
    objects = (*OBJECTS, CUSTOMER_ACCOUNT) if junction else OBJECTS
    sets = ((READERS, READERS_LABEL, False), (WRITERS, WRITERS_LABEL, True))
    return MetadataPackage(
        objects=tuple(_object(each) for each in objects),
        permission_sets=tuple(permission_set(name, label, objects, write=write, apps=(APP,)) for name, label, write in sets),
        tabs=tuple(CustomTab(each.api_name(NO_PREFIX)) for each in objects),
        apps=(CustomApp(APP, APP_LABEL, tuple(each.api_name(NO_PREFIX) for each in _shown())),),
        layouts=tuple(_layout(each) for each in objects),
    )


def junction_beside(prefix: str) -> MetadataPackage:
    """The junction alone, for an org that has the managed package: an object of ours that points to the package's customers."""
    sets = ((f"{READERS}_Accounts", "Metronome User Accounts", False), (WRITERS, WRITERS_LABEL, True))
    own = (CUSTOMER_ACCOUNT,)
    return MetadataPackage(
        objects=(_object(CUSTOMER_ACCOUNT, prefix),),
        permission_sets=tuple(permission_set(name, label, own, write=write) for name, label, write in sets),
        tabs=(CustomTab(CUSTOMER_ACCOUNT.name),),
        layouts=(_layout(CUSTOMER_ACCOUNT),),
    )


def permission_set(
    name: str, label: str, objects: Sequence[BillingObject], *, write: bool, apps: tuple[str, ...] = ()
) -> PermissionSet:
    """Read on all objects and fields, and the app in the App Launcher (MT-07, MT-D16); with `write` all that the push needs."""
    rights = tuple(
        ObjectPermission(each.api_name(NO_PREFIX), read=True, create=write, edit=write, delete=write, view_all=True)
        for each in objects
    )
    fields = tuple(
        FieldPermission(f"{each.api_name(NO_PREFIX)}.{field.name}", readable=True, editable=write and field.is_written)
        for each in objects for field in each.fields if not field.is_standard
    )  # fmt: skip
    tabs = tuple(each.api_name(NO_PREFIX) for each in objects)
    what = "Read and write" if write else "Read"
    about = f"{what} access to the billing objects."
    return PermissionSet(name, label, about, fields=fields, objects=rights, tabs=tabs, apps=apps)


def _object(each: BillingObject, prefix: str = NO_PREFIX) -> CustomObject:
    name = each.field("Name")
    api_name = each.api_name(NO_PREFIX)
    return CustomObject(
        api_name, each.label, each.plural, name_label=name.label, description=DESCRIPTION,
        name_type="AutoNumber" if name.type == AUTO_NUMBER else "Text", name_format=name.display_format,
        fields=tuple(_field(each, field, prefix) for field in each.fields if not field.is_standard),
    )  # fmt: skip


def _field(owner: BillingObject, field: Field, prefix: str) -> CustomField:
    """One field; relationship names are the plural of the child, so that one parent can have several kinds of children."""
    to = ""
    if field.type == LOOKUP:
        to = ACCOUNT if field.to == ACCOUNT else BY_KEY[field.to].api_name(prefix)
    return CustomField(
        owner.api_name(NO_PREFIX), field.name, field.label, "Text" if field.type == FORMULA else field.type,
        length=field.length,
        precision=field.precision, scale=field.scale, unique=bool(field.unique), external_id=field.external_id,
        case_sensitive=field.unique == "case-sensitive", values=field.values, restricted=bool(field.values), reference_to=to,
        relationship_name=owner.plural.replace(" ", "_") if to else "", relationship_label=owner.plural if to else "",
        formula=field.formula.format(prefix=NO_PREFIX),
    )  # fmt: skip


def _layout(each: BillingObject) -> PageLayout:
    fixed = frozenset(field.name for field in each.fields if not field.is_written)
    names = tuple(field.name for field in each.fields)
    return PageLayout(each.api_name(NO_PREFIX), f"{each.label} {LAYOUT}", each.label, names, fixed)


def _shown() -> list[BillingObject]:
    """The objects in the order of the app's tabs: what people look for first."""
    first = ("customers", "invoices", "line-items", "credit-grants", "customer-plans", "plans", "billable-metrics")
    return [BY_KEY[key] for key in (*first, "ingest-aliases")]
