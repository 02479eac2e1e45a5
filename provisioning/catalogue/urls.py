"""Addresses of the catalogue and of the mapping of products."""

from django.urls import path

from provisioning.views import catalogue, features, mapping, offers

urlpatterns = [
    path("catalogue/", catalogue.catalogue, name="catalogue"),
    path("catalogue/file/", catalogue.catalogue_upload, name="catalogue_upload"),
    path("catalogue/catalogue.yaml", catalogue.catalogue_file, name="catalogue_file"),
    path("catalogue/products/new/", catalogue.product_new, name="product_new"),
    path("catalogue/products/<int:pk>/", catalogue.product, name="product"),
    path("catalogue/products/<int:pk>/edit/", catalogue.product_edit, name="product_edit"),
    path("catalogue/products/<int:pk>/compare/", catalogue.product_compare, name="product_compare"),
    path("catalogue/features/", features.features, name="features"),
    path("catalogue/features/new/", features.feature_new, name="feature_new"),
    path("catalogue/features/<int:pk>/", features.feature, name="feature"),
    path("catalogue/features/<int:pk>/edit/", features.feature_edit, name="feature_edit"),
    path("catalogue/new/<str:kind>/", offers.offer_new, name="offer_new"),
    path("catalogue/offers/<int:pk>/", offers.offer, name="offer"),
    path("catalogue/offers/<int:pk>/edit/", offers.offer_edit, name="offer_edit"),
    path("catalogue/offers/<int:pk>/draft/", offers.offer_draft, name="offer_draft"),
    path("catalogue/offers/<int:pk>/publish/", offers.offer_publish, name="offer_publish"),
    path("catalogue/offers/<int:pk>/discard/", offers.offer_discard, name="offer_discard"),
    path("catalogue/offers/<int:pk>/copy/", offers.offer_copy, name="offer_copy"),
    path("catalogue/offers/<int:pk>/versions/<str:number>/", offers.offer_version, name="offer_version"),
    path("catalogue/offers/<int:pk>/versions/<int:number>/move/", offers.offer_move, name="offer_move"),
    path("catalogue/archive/<str:kind>/<int:pk>/", catalogue.entry_archive, name="entry_archive"),
    path("catalogue/restore/<str:kind>/<int:pk>/", catalogue.entry_restore, name="entry_restore"),
    path("mapping/", mapping.mapping, name="mapping"),
    path("mapping/export.csv", mapping.mapping_csv, name="mapping_csv"),
    path("mapping/<int:org_id>/preview/", mapping.mapping_preview, name="mapping_preview"),
    path("mapping/<int:org_id>/save/", mapping.mapping_save, name="mapping_save"),
    path("mapping/<int:org_id>/read/", mapping.mapping_read, name="mapping_read"),
]
