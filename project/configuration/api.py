"""API of the configuration as a file: export, plan, apply what was planned, drift. For admins."""

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import audit
from integrations.access import Refusal
from integrations.fresh import is_fresh
from integrations.models import AppliedConfiguration
from project.configuration.applying import apply_file, drift_of, plan_file
from project.configuration.exporting import export_configuration
from project.configuration.planning import Line, Plan
from provisioning.catalogue import yaml_text

FORMS = ("yaml", "json")


class FileSerializer(serializers.Serializer):
    """A file to look at."""

    file = serializers.CharField(max_length=yaml_text.MOST_BYTES, trim_whitespace=False, help_text="Its text, YAML or JSON.")
    map = serializers.DictField(
        child=serializers.CharField(max_length=80), required=False, default=dict,
        help_text="Connections of the file by which of this installation stands for each.",
    )  # fmt: skip
    prune = serializers.BooleanField(required=False, default=False, help_text="Remove what its parts do not name.")


class ApplySerializer(FileSerializer):
    """A file to bring about, as it was planned."""

    digest = serializers.CharField(max_length=64, help_text="Of the plan: another file, or other things here, are refused.")


class ChangeSerializer(serializers.Serializer):
    """One place of an entry, before and after, in words."""

    path = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()


class EntrySerializer(serializers.Serializer):
    """What happens to one entry."""

    name = serializers.CharField()
    action = serializers.ChoiceField(["create", "change", "remove", "wait"])
    changes = ChangeSerializer(many=True)


class ProblemSerializer(serializers.Serializer):
    """Something that must be mended in the file first."""

    path = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class PlanSerializer(serializers.Serializer):
    """What a file would do, or did (`done`)."""

    digest = serializers.CharField()
    counts = serializers.DictField(child=serializers.IntegerField())
    entries = EntrySerializer(many=True)
    problems = ProblemSerializer(many=True)
    done = serializers.BooleanField(required=False)


class DriftSerializer(serializers.Serializer):
    """What is otherwise than right after the last file was applied."""

    applied_at = serializers.DateTimeField(allow_null=True)
    entries = EntrySerializer(many=True)


def _said(lines: list[Line]) -> list[dict[str, Any]]:
    return [
        {"name": each.name, "action": each.action,
         "changes": [{"path": one.path, "before": one.before, "after": one.after} for one in each.changes]}
        for each in lines if each.action != "unchanged"
    ]  # fmt: skip


def _body(plan: Plan) -> dict[str, Any]:
    problems = [{"path": each.path, "code": each.code, "message": each.message} for each in plan.problems]
    return {"digest": plan.digest, "counts": plan.counts, "entries": _said(plan.lines), "problems": problems}


@extend_schema(tags=["configuration"])
class ConfigurationViewSet(viewsets.GenericViewSet):
    """`/api/v1/configuration/`: the same file as the page and the commands."""

    scope, role, write_role = "configuration", "admin", "admin"
    serializer_class = FileSerializer
    pagination_class = None
    filter_backends: list[Any] = []
    queryset = AppliedConfiguration.objects.none()

    @extend_schema(
        parameters=[OpenApiParameter("org", str, description="Only this connection, by name"),
                    OpenApiParameter("as", str, enum=FORMS, description="yaml (usual) or json")],
        responses={(200, "application/yaml"): OpenApiResponse(OpenApiTypes.STR)},
    )  # fmt: skip
    def list(self, request: Request) -> HttpResponse:
        """What is configured now, as a file. Secrets, keys and tokens are never in it."""
        org, form = request.query_params.get("org", ""), request.query_params.get("as", "yaml")
        if form not in FORMS:
            raise ValidationError({"as": [f"Choose one of {', '.join(FORMS)}."]})
        text = export_configuration(org=org, now=timezone.now())
        address = audit.address_of(request)
        audit.record("configuration.exported", actor=request.user, target=org or "everything", address=address)
        if form == "json":
            text = json.dumps(yaml_text.read(text), cls=DjangoJSONEncoder, ensure_ascii=False)
        return HttpResponse(text, content_type=f"application/{form}; charset=utf-8")

    def _given(self, kind: type[FileSerializer]) -> tuple[str, dict[str, Any]]:
        found = kind(data=self.request.data)
        found.is_valid(raise_exception=True)
        given = found.validated_data
        about = {"renames": given["map"], "prune": given["prune"], "actor": self.request.user, "now": timezone.now()}
        return given["file"], about | ({"expect": given["digest"]} if "digest" in given else {})

    @extend_schema(request=FileSerializer, responses=PlanSerializer)
    @action(detail=False, methods=["post"])
    def plan(self, request: Request) -> Response:
        """What applying the file would do. Nothing is changed; `digest` is what applying asks for."""
        text, about = self._given(FileSerializer)
        return Response(_body(plan_file(text, **about)))

    @extend_schema(request=ApplySerializer, responses={200: PlanSerializer, 400: PlanSerializer})
    @action(detail=False, methods=["post"])
    def apply(self, request: Request) -> Response:
        """Bring about what was planned: 409 `changed_meanwhile` when the plan is another now, 400 with its problems."""
        if request.auth is None and not is_fresh(request._request):
            raise Refusal("sign_in_again", "Sign in again first, or use a key.")
        text, about = self._given(ApplySerializer)
        outcome = apply_file(text, **about, address=audit.address_of(request))
        made = outcome.plan if outcome.plan.problems else outcome.done
        body = _body(made) | {"digest": outcome.plan.digest, "done": outcome.is_done}
        return Response(body, status=status.HTTP_200_OK if outcome.is_done else status.HTTP_400_BAD_REQUEST)

    @extend_schema(responses=DriftSerializer)
    @action(detail=False, methods=["get"])
    def drift(self, request: Request) -> Response:
        """What has changed since the last file was applied."""
        last = AppliedConfiguration.objects.first()
        found = drift_of(last, now=timezone.now()) if last else []
        return Response({"applied_at": last.at if last else None, "entries": _said([each.line for each in found])})
