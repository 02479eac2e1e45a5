"""API of the mirror: what is mirrored, how fresh and how true it is, its rows, and backfills. Scope `mappings`."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import mirror_pages
from integrations.access import Refusal
from integrations.api.runs import RunSerializer
from integrations.masking import hide_name, hide_people, may_see_people
from integrations.models import Backfill, MirrorField, MirrorObject, MirrorSettings, Run, SalesforceOrg
from integrations.queries import find_runs, id_in
from integrations.salesforce.ids import is_id
from integrations.sync import runs
from integrations.sync.mirror import backfill, objects, reading, tables

MOST_ROWS = 200
NAMES = frozenset(("Name", "FirstName", "LastName", "MiddleName"))
PEOPLE = frozenset(("Contact", "Lead", "User"))


class MirrorFieldSerializer(serializers.ModelSerializer):
    """A mirrored field; `reason` says why one is left out."""

    class Meta:
        model = MirrorField
        fields = ["name", "type", "state", "reason", "calculated", "needed_by", "since"]


class MirrorObjectSerializer(serializers.ModelSerializer):
    """One object of one connection: how far it is read, how fresh, how true."""

    freshness = serializers.SerializerMethodField()
    parity = serializers.SerializerMethodField()

    class Meta:
        model = MirrorObject
        fields = [
            "id", "org", "name", "label", "state", "reason", "note", "needed_by", "watermark", "watermark_field", "reads_from",
            "first_months", "read_at", "last_run", "last_way", "last_rows", "rows", "deleted_rows", "freshness", "parity",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.DictField())
    def get_freshness(self, item: MirrorObject) -> dict[str, Any]:
        """`state` is fresh, degraded, paused or not_read; `age_seconds` counts from the last full read (null: never)."""
        now = timezone.now()
        found = mirror_pages.freshness_of(item, now=now)
        age = (now - item.read_at).total_seconds() if item.read_at else None
        return {"state": found.state, "text": found.text, "read_at": item.read_at, "age_seconds": age and int(age)}

    @extend_schema_field(serializers.DictField())
    def get_parity(self, item: MirrorObject) -> dict[str, Any]:
        """The last comparison of all ids with Salesforce (I-05)."""
        return {
            "at": item.parity_at, "salesforce": item.parity_theirs, "mirror": item.parity_ours,
            "repaired": item.parity_repaired,
            "equal": None if item.parity_at is None else item.parity_theirs == item.parity_ours,
        }  # fmt: skip


class MirrorObjectDetail(MirrorObjectSerializer):
    """The same with its fields."""

    fields_mirrored = MirrorFieldSerializer(source="fields", many=True, read_only=True)

    class Meta(MirrorObjectSerializer.Meta):
        fields = [*MirrorObjectSerializer.Meta.fields, "fields_mirrored"]
        read_only_fields = fields


@extend_schema(tags=["mirror"])
class MirrorObjectViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """`/api/v1/mirror/objects/`: filter by `org`, `state` and `name`."""

    scope, role, write_role = "mappings", "analyst", "operator"
    serializer_class = MirrorObjectSerializer
    queryset = MirrorObject.objects.none()
    filter_backends: list[Any] = []

    def get_queryset(self) -> QuerySet[MirrorObject]:
        given, found = self.request.query_params, MirrorObject.objects.select_related("org").order_by("org_id", "name")
        if given.get("org", "").strip():
            found = found.filter(org_id=id_in(given["org"]) or 0)
        if given.get("state") in MirrorObject.State.values:
            found = found.filter(state=given["state"])
        if given.get("name"):
            found = found.filter(name__iexact=given["name"].replace("\0", ""))
        return found

    @extend_schema(parameters=[OpenApiParameter(name, str) for name in ("org", "state", "name")])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(responses=MirrorObjectDetail)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(MirrorObjectDetail(self.get_object()).data)

    @extend_schema(
        parameters=[OpenApiParameter("ids", str), OpenApiParameter("fields", str), OpenApiParameter("limit", int)],
        responses=serializers.ListSerializer(child=serializers.DictField()),
    )
    @action(detail=True)
    def rows(self, request: Request, pk: str | None = None) -> Response:
        """Mirrored records: those with `ids` (comma-separated), else the first `limit` by id (at most 200).

        Names, e-mail addresses and phone numbers are shortened for roles without the right to see people.
        """
        item, given = self.get_object(), request.query_params
        names = _names(given.get("fields", ""), item)
        if "ids" in given:
            found = tables.find(item.org, item.name, _ids(given["ids"]), names)
        else:
            found = tables.sample(item.org, item.name, names, n=_limit(given.get("limit", "")))
        show_people = may_see_people(request.user)
        return Response([_shown(item, row, show_people=show_people) for row in found])

    @extend_schema(request=None, responses={202: RunSerializer})
    @action(detail=True, methods=["post"])
    def read(self, request: Request, pk: str | None = None) -> Response:
        """Read this object now (or get the run that is queued already)."""
        item = self.get_object()
        if not item.org.is_connected:
            raise Refusal("not_connected", f"{item.org.name} is {item.org.get_state_display().lower()}; connect it first.")
        run = runs.request_run(
            reading.JOB, org=item.org, trigger=Run.Trigger.API, user=request.user, arguments={"objects": [item.name]},
            now=timezone.now(),
        )  # fmt: skip
        return Response(RunSerializer(find_runs(number=str(run.pk)).get()).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses=MirrorObjectSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str | None = None) -> Response:
        """Do not read this object until it is resumed."""
        item = self.get_object()
        objects.pause_reading(item, user=request.user, now=timezone.now())
        return Response(MirrorObjectSerializer(item).data)

    @extend_schema(request=None, responses=MirrorObjectSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str | None = None) -> Response:
        """Read it again from the next run on."""
        item = self.get_object()
        objects.resume_reading(item, user=request.user, now=timezone.now())
        return Response(MirrorObjectSerializer(item).data)


def _names(text: str, item: MirrorObject) -> list[str] | None:
    """The fields that were asked for; None for all."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = {field.name for field in item.fields.all()}
    if wrong := [name for name in names if name not in known]:
        raise serializers.ValidationError({"fields": [f"{item.name} has no mirrored field {wrong[0][:80]!r}."]})
    return names or None


def _ids(text: str) -> list[str]:
    ids = [each.strip() for each in text.split(",") if each.strip()]
    if len(ids) > MOST_ROWS:
        raise serializers.ValidationError({"ids": [f"At most {MOST_ROWS} ids at once."]})
    if wrong := [each for each in ids if not is_id(each)]:
        raise serializers.ValidationError({"ids": [f"{wrong[0][:40]!r} is not a record id of 15 or 18 characters."]})
    return ids


def _limit(text: str) -> int:
    digits = text.strip()
    wanted = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 20
    return max(1, min(wanted, MOST_ROWS))


def _shown(item: MirrorObject, row: dict[str, Any], *, show_people: bool) -> dict[str, Any]:
    """A row as this person may see it (S-115)."""
    if show_people:
        return row
    hidden = NAMES if item.name in PEOPLE else frozenset()
    return {
        name: value if not isinstance(value, str) else hide_name(value) if name in hidden else hide_people(value)
        for name, value in row.items()
    }


# --- backfills -------------------------------------------------------------------------------------------------------------


class BackfillSerializer(serializers.ModelSerializer):
    """A backfill with its estimate and its progress."""

    object_name = serializers.CharField(source="object.name", read_only=True)
    org = serializers.IntegerField(source="object.org_id", read_only=True)

    class Meta:
        model = Backfill
        fields = [
            "id", "org", "object", "object_name", "since", "until", "only_fields", "state", "sentence", "estimated_rows",
            "estimated_calls", "estimated_seconds", "done_rows", "requested_at", "started_at", "finished_at",
        ]  # fmt: skip
        read_only_fields = fields


class AskBackfill(serializers.Serializer):
    """What to read. Without `since` everything that is older than the mirror; with `only_fields` nothing but these."""

    object = serializers.PrimaryKeyRelatedField(queryset=MirrorObject.objects.select_related("org", "table"))
    since = serializers.DateTimeField(required=False, allow_null=True, default=None)
    only_fields = serializers.ListField(child=serializers.CharField(max_length=80), required=False, max_length=200)


@extend_schema(tags=["mirror"])
class BackfillViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """`/api/v1/mirror/backfills/`: POST estimates; nothing is read before `start`. Filter by `org`, `object` and `state`."""

    scope, role, write_role = "mappings", "analyst", "operator"
    serializer_class = BackfillSerializer
    queryset = Backfill.objects.none()
    filter_backends: list[Any] = []

    def get_queryset(self) -> QuerySet[Backfill]:
        given, found = (
            self.request.query_params,
            Backfill.objects.select_related("object__org", "object__table").order_by("-id"),
        )
        for name, column in (("org", "object__org_id"), ("object", "object_id")):
            if given.get(name, "").strip():
                found = found.filter(**{column: id_in(given[name]) or 0})
        return found.filter(state=given["state"]) if given.get("state") in Backfill.State.values else found

    @extend_schema(parameters=[OpenApiParameter(name, str) for name in ("org", "object", "state")])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(request=AskBackfill, responses={201: BackfillSerializer})
    def create(self, request: Request) -> Response:
        """Estimate rows, calls and seconds. One API call."""
        given = AskBackfill(data=request.data)
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        made = backfill.estimate(
            asked["object"], since=asked["since"], only_fields=asked.get("only_fields", ()), user=request.user, now=_now()
        )
        return Response(BackfillSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=BackfillSerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str | None = None) -> Response:
        """Queue it."""
        item = self.get_object()
        backfill.start(item, user=request.user, now=_now())
        return self._answer(item)

    @extend_schema(request=None, responses=BackfillSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str | None = None) -> Response:
        """Stop after the page that is being landed."""
        item = self.get_object()
        backfill.pause(item, user=request.user, now=_now())
        return self._answer(item)

    @extend_schema(request=None, responses=BackfillSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str | None = None) -> Response:
        """Go on where it was paused."""
        item = self.get_object()
        backfill.resume(item, user=request.user, now=_now())
        return self._answer(item)

    @extend_schema(request=None, responses=BackfillSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str | None = None) -> Response:
        """Stop for good; what has landed stays."""
        item = self.get_object()
        backfill.cancel(item, user=request.user, now=_now())
        return self._answer(item)

    def _answer(self, item: Backfill) -> Response:
        item.refresh_from_db()
        return Response(BackfillSerializer(item).data)


# --- settings --------------------------------------------------------------------------------------------------------------


class MirrorSettingsSerializer(serializers.ModelSerializer):
    """How the mirror of a connection reads. `first_months` null: what the domains ask, usually six; 0: everything."""

    class Meta:
        model = MirrorSettings
        fields = ["org", "first_months", "overlap_minutes", "job_minutes"]
        read_only_fields = ["org"]


@extend_schema(tags=["mirror"])
class MirrorSettingsViewSet(viewsets.GenericViewSet):
    """`/api/v1/mirror/settings/{connection}/`."""

    scope, role, write_role = "mappings", "analyst", "operator"
    serializer_class = MirrorSettingsSerializer
    queryset = SalesforceOrg.objects.all()
    filter_backends: list[Any] = []

    @extend_schema(responses=MirrorSettingsSerializer)
    def retrieve(self, request: Request, pk: str | None = None) -> Response:
        """The settings, or the defaults."""
        return Response(MirrorSettingsSerializer(objects.settings_of(self.get_object())).data)

    @extend_schema(request=MirrorSettingsSerializer, responses=MirrorSettingsSerializer)
    def partial_update(self, request: Request, pk: str | None = None) -> Response:
        """Change some of them; they hold from the next run on."""
        org = self.get_object()
        given = MirrorSettingsSerializer(objects.settings_of(org), data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        made = objects.change_settings(org, dict(given.validated_data), user=request.user, now=_now())
        return Response(MirrorSettingsSerializer(made).data)


def _now() -> datetime:
    return timezone.now()
