"""How lists are cut into pages, for the API."""

from rest_framework.pagination import PageNumberPagination


class Pages(PageNumberPagination):
    """`?page=` and `?page_size=` (at most 500); out-of-range sizes are capped, words are ignored (R-282)."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500
