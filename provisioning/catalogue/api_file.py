"""API of the catalogue as a file, `/api/v1/catalogue/file/`."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import audit
from provisioning.catalogue import files
from provisioning.catalogue.api_shapes import DRY, flag_in
from provisioning.models import Product


class YamlParser(BaseParser):
    """The body as it is."""

    media_type = "application/yaml"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> bytes:
        """Bytes; read by `files.load`."""
        return stream.read()


class PlainYamlParser(YamlParser):
    """The same under its older name."""

    media_type = "text/*"


class YamlRenderer(BaseRenderer):
    """The catalogue's own text."""

    media_type, format, charset = "application/yaml", "yaml", "utf-8"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        """The text as it is."""
        return str(data).encode()


@extend_schema(tags=["catalogue"])
class CatalogueFileViewSet(viewsets.GenericViewSet):
    """The catalogue as YAML."""

    scope, role, write_role = "provisioning", "member", "operator"
    parser_classes = [YamlParser, PlainYamlParser]
    renderer_classes = [YamlRenderer, JSONRenderer]
    filter_backends: list[Any] = []
    pagination_class = None
    queryset = Product.objects.none()

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Only the file itself is YAML: what a file would change, and refusals, are JSON."""
        made = super().finalize_response(request, response, *args, **kwargs)
        if not isinstance(made.data, str):
            made.accepted_renderer, made.accepted_media_type = JSONRenderer(), JSONRenderer.media_type  # type: ignore[attr-defined]
        return made

    @extend_schema(responses={(200, "application/yaml"): OpenApiTypes.STR, (200, "application/json"): OpenApiTypes.OBJECT})
    def list(self, request: Request) -> Response:
        """Everything as `application/yaml`; the same as JSON for a request that accepts only that."""
        audit.record("export.catalogue", actor=request.user, target="catalogue.yaml")
        chosen = request.accepted_renderer  # type: ignore[attr-defined]
        return Response(files.dump() if isinstance(chosen, YamlRenderer) else files.as_body())

    @extend_schema(parameters=[DRY], request={"application/yaml": OpenApiTypes.STR}, responses=OpenApiTypes.OBJECT)
    def create(self, request: Request) -> Response:
        """Bring the catalogue to what the file says, or tell everything that is wrong with it (400) and change nothing."""
        if not isinstance(request.data, bytes):  # the framework's word for no body at all
            raise ValidationError({"file": ["The request has no body. Send the catalogue as application/yaml."]})
        report = files.load(request.data, actor=request.user, now=timezone.now(), dry_run=flag_in(request, "dry_run"))
        if report.problems:
            found: dict[str, list[str]] = {}
            for each in report.problems:
                found.setdefault(each.path or "file", []).append(each.message)
            raise ValidationError(found)
        changes = [{"path": each.path, "key": each.key, "action": each.action, "words": each.words} for each in report.changes]
        return Response({"changes": changes, "unchanged": report.count("unchanged")})
