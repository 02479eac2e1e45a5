"""What holds for every request: how large it may be, and that private answers are not stored."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse


class BodyLimit:
    """A body that says it is too large is refused before anything reads it (S-084)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        size = request.META.get("CONTENT_LENGTH") or "0"
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if size.isascii() and size.isdigit() and int(size) > limit:
            message = f"The request is larger than {limit // 2**20} MB; send it in parts."
            return JsonResponse({"error": {"code": "too_large", "message": message}}, status=413)
        return self.get_response(request)


class PlainAddresses:
    """A query string with NUL is refused: nobody types one, and PostgreSQL takes no such text."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        if "%00" in query or "\0" in query:
            raise BadRequest("NUL in the query string.")
        return self.get_response(request)


class PrivatePages:
    """Answers to a signed-in person or a key are never stored by caches (S-100)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = "no-store, private"
        return response
