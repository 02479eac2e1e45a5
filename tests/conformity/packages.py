"""Small metadata packages as zip files."""

import io
import zipfile

SPACE = 'xmlns="http://soap.sforce.com/2006/04/metadata"'
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'


def zipped(files: dict[str, str | bytes]) -> bytes:
    """A zip of the named files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def manifest(types: dict[str, list[str]]) -> str:
    """A package.xml."""
    listed = "".join(
        f"<types>{''.join(f'<members>{each}</members>' for each in names)}<name>{kind}</name></types>"
        for kind, names in types.items()
    )
    return f"{HEAD}<Package {SPACE}>{listed}<version>60.0</version></Package>"


def package(*, field: str, extra: dict[str, str | bytes] | None = None) -> bytes:
    """A text field on Account and a permission set that grants it; `extra` files on top."""
    own = field.removesuffix("__c")
    files: dict[str, str | bytes] = {
        "package.xml": manifest({"CustomField": [f"Account.{field}"], "PermissionSet": [f"{own}_Set"]}),
        "objects/Account.object": (
            f"{HEAD}<CustomObject {SPACE}><fields><fullName>{field}</fullName><externalId>true</externalId>"
            f"<label>{own}</label><length>40</length><type>Text</type><unique>true</unique></fields></CustomObject>"
        ),
        f"permissionsets/{own}_Set.permissionset": (
            f"{HEAD}<PermissionSet {SPACE}><fieldPermissions><editable>true</editable><field>Account.{field}</field>"
            f"<readable>true</readable></fieldPermissions><label>{own}</label></PermissionSet>"
        ),
    }
    return zipped({**files, **(extra or {})})
