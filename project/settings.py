"""Every setting of Causeway, read from the environment (or a `.env` file beside `manage.py`).

A value that cannot be used stops start-up with the variable's name and the fix; see `.env.example` for all of them.
"""

import logging
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import environ
import structlog
from csp.constants import NONCE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
TESTING = "pytest" in sys.modules
env = environ.Env()
if not TESTING:  # the suite must not depend on a developer's file
    env.read_env(BASE_DIR / ".env", overwrite=False)
# Before anything loads numpy: processes share their cores, and a fit of 100,000 accounts with two threads mostly waits for the
# other one (on two busy cores 6 s of processor time, with one thread 0.4 s).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _refuse(name: str, why: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}: {why}")


def _whole_number(name: str, default: int, at_least: int = 0) -> int:
    try:
        value = env.int(name, default=default)
    except ValueError as error:
        raise _refuse(name, f"must be a whole number, not {env.str(name)!r}.") from error
    if value < at_least:
        raise _refuse(name, f"must be at least {at_least}, not {value}.")
    return value


def _yes_or_no(name: str, default: bool) -> bool:
    text = env.str(name, default="yes" if default else "no").strip().lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off", ""}:
        return False
    raise _refuse(name, f"must be yes or no, not {text!r}.")


def _words(name: str) -> list[str]:
    """A comma-separated list; empty when the variable is."""
    return [word.strip() for word in env.str(name, default="").split(",") if word.strip()]


# --- Where things live -------------------------------------------------------------------------------------------
DATA_DIR = Path(env.str("CAUSEWAY_DATA", default=str(BASE_DIR / "var"))).expanduser().resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)

BASE_URL = env.str("BASE_URL", default="http://127.0.0.1:8000").rstrip("/")
_base = urlsplit(BASE_URL)
if _base.scheme not in {"http", "https"} or not _base.hostname or _base.path:
    raise _refuse("BASE_URL", f"must look like https://causeway.example.com, not {BASE_URL!r}.")
ON_LOOPBACK = _base.hostname in {"127.0.0.1", "localhost", "::1"}
SECURE = _base.scheme == "https"

# The demonstration (a local Salesforce with known passwords, plain http) never runs where strangers can reach it.
DEMO_MODE = _yes_or_no("DEMO_MODE", default=False)
if DEMO_MODE and not ON_LOOPBACK:
    raise _refuse("DEMO_MODE", f"the demonstration is for this machine only; BASE_URL is {BASE_URL}. Unset DEMO_MODE.")
DEMO_ORG_URL = env.str("DEMO_ORG_URL", default="").rstrip("/")
if DEMO_ORG_URL and not (DEMO_MODE or TESTING):
    raise _refuse("DEMO_ORG_URL", "is only allowed together with DEMO_MODE=yes.")
if not SECURE and not ON_LOOPBACK:
    raise _refuse("BASE_URL", "must start with https:// for anything but this machine.")

# --- Secrets -----------------------------------------------------------------------------------------------------
DEBUG = _yes_or_no("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    raise _refuse("SECRET_KEY", "is missing. Make one with: python -c 'import secrets; print(secrets.token_urlsafe(50))'")
if not DEBUG and ("change-me" in SECRET_KEY or len(SECRET_KEY) < 50):
    raise _refuse("SECRET_KEY", "is the sample value or shorter than 50 characters; make a new one.")
SECRET_KEY_FALLBACKS: list[str] = _words("SECRET_KEY_FALLBACKS")
# Newest first; older ones still decrypt. Without any, the app starts and connections read as locked.
FIELD_ENCRYPTION_KEYS: list[str] = _words("FIELD_ENCRYPTION_KEYS")
if not DEBUG and any("change-me" in key for key in FIELD_ENCRYPTION_KEYS):
    raise _refuse("FIELD_ENCRYPTION_KEYS", "holds the sample value; make a key with: ./run manage new_key")

# --- Django ------------------------------------------------------------------------------------------------------
ALLOWED_HOSTS: list[str] = _words("ALLOWED_HOSTS") or [str(_base.hostname), "127.0.0.1", "localhost"]
CSRF_TRUSTED_ORIGINS = [BASE_URL]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "project",  # first, so that its commands (qcluster) win over a package's
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "axes",
    "csp",
    "django_filters",
    "django_htmx",
    "django_q",
    "django_structlog",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "rest_framework_api_key",
    "social_django",
    "integrations",
    "integrations.product",
    "okr",
    "billing",
    "provisioning",
    "analytics",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "project.middleware.BodyLimit",
    "project.middleware.PlainAddresses",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "project.middleware.PrivatePages",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "project.context.shell",
            ],
        },
    }
]

# --- Database: SQLite needs exactly these options or a second writer meets "database is locked" -------------------
DATABASES = {
    "default": environ.Env.db_url_config(
        env.str("TEST_DATABASE_URL" if TESTING else "DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'causeway.sqlite3'}")
    )
}
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["ENGINE"] = "project.sqlite"
    _database["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
elif _database["ENGINE"] == "django.db.backends.postgresql":
    # No pool: django-q2's workers stall with one (tried).
    _database["CONN_MAX_AGE"] = 60
    _database["CONN_HEALTH_CHECKS"] = True
else:
    raise _refuse("DATABASE_URL", "must be a sqlite:// or postgres:// address.")

CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "causeway_cache"}}
if TESTING:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# --- People and sessions -------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "integrations.orgs.oauth.SalesforceConnectionOAuth2",
    "integrations.orgs.oauth.SalesforceSignIn",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
if SECURE:
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
SESSION_COOKIE_AGE = 12 * 3600
AXES_FAILURE_LIMIT = 10
AXES_VERBOSE = False
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username"], ["ip_address", "username"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_SENSITIVE_PARAMETERS = ["password", "security_token", "client_secret"]
FRESH_LOGIN_MINUTES = 15

SECURE_SSL_REDIRECT = SECURE
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if _yes_or_no("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        # The authorize form ends in a redirect to the org's own host.
        "form-action": [
            SELF,
            *(f"https://*.{domain}" for domain in ("salesforce.com", "force.com", "salesforce.mil", "sfcrmproducts.cn")),
            *([DEMO_ORG_URL] if DEMO_ORG_URL else []),
        ],
        "frame-ancestors": ["'none'"],
        "base-uri": [SELF],
        "object-src": ["'none'"],
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

# --- Sign in with Salesforce and connecting orgs: one pipeline each, tokens only in the vault ----------------------
SOCIAL_AUTH_JSONFIELD_ENABLED = True
SOCIAL_AUTH_URL_NAMESPACE = "social"
SOCIAL_AUTH_ADMIN_USER_SEARCH_FIELDS = ["username", "email"]
SOCIAL_AUTH_REDIRECT_IS_HTTPS = SECURE
SOCIAL_AUTH_SANITIZE_REDIRECTS = True
SOCIAL_AUTH_ALLOWED_REDIRECT_HOSTS = [_base.netloc]
SOCIAL_AUTH_LOGIN_ERROR_URL = "/connections/"
SOCIAL_AUTH_REQUESTS_TIMEOUT = 10
SOCIAL_AUTH_SALESFORCE_CONNECTION_PIPELINE = ("integrations.orgs.oauth.connect_org",)
SOCIAL_AUTH_SALESFORCE_SIGNIN_PIPELINE = ("integrations.orgs.oauth.sign_person_in",)
# Whether "Sign in with Salesforce" makes a member of somebody who has no account yet; never an admin.
SOCIAL_AUTH_SALESFORCE_SIGNIN_CREATE_MEMBERS = _yes_or_no("SALESFORCE_SIGNIN_CREATES_MEMBERS", default=False)
SOCIAL_AUTH_SALESFORCE_SIGNIN_NEW_ROLE = env.str("SALESFORCE_SIGNIN_ROLE", default="member")
if SOCIAL_AUTH_SALESFORCE_SIGNIN_NEW_ROLE not in ("member", "viewer"):
    raise _refuse("SALESFORCE_SIGNIN_ROLE", "must be member or viewer.")

# --- Background work (django-q2): all of these matter, see docs/operations.md -------------------------------------
WORKERS = _whole_number("WORKERS", default=2, at_least=1)
Q_CLUSTER = {
    "name": "causeway",
    "orm": "default",
    "workers": WORKERS,
    "timeout": 300,
    "retry": 1800,
    "queue_limit": WORKERS,
    "ack_failures": True,
    "max_attempts": 1,
    "catch_up": False,
    "save_limit": 250,
    "recycle": 200,
    "poll": 0.5,
    "sync": TESTING,
    "label": "Queue",
}

# How often a running job proves that it lives, in seconds; 0 = only when it saves (tests).
RUN_PULSE_SECONDS = 0 if TESTING else 10

# --- API ---------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "integrations.api.access.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["integrations.api.access.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "integrations.paging.Pages",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_THROTTLE_CLASSES": ["integrations.api.access.PerKeyThrottle"],
    "DEFAULT_THROTTLE_RATES": {"api": env.str("API_RATE", default="300/min")},
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "integrations.api.access.explain_error",
    "COERCE_DECIMAL_TO_STRING": True,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Causeway API",
    "VERSION": "1",
    "DESCRIPTION": (
        "Connections, runs, customers, mappings, key results, product experience, billing, provisioning and entitlements. "
        "Authenticate with a session or an API key."
    ),
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "RunState": "integrations.models.Run.State",
        "ConnectionState": "integrations.models.SalesforceOrg.State",
        "MirrorObjectState": "integrations.models.MirrorObject.State",
        "MirrorFieldState": "integrations.models.MirrorField.State",
        "BackfillState": "integrations.models.Backfill.State",
        "MappingState": "integrations.models.Mapping.State",
        "RecordLinkState": "integrations.models.RecordLink.State",
        "OutboxTargetState": "integrations.models.OutboxTarget.State",
        "OutboxRowState": "integrations.models.OutboxRow.State",
        "ProvisionStepName": "provisioning.provision.steps.NAMES",
    },
}

# Entitlement checks are answered from the memory of each web process (see provisioning.entitlements.front).
ENTITLEMENT_FRONT = _yes_or_no("ENTITLEMENT_FRONT", default=True)
# Calls a minute of one key to one web process that Django answers (consuming, reporting, unusual checks).
ENTITLEMENT_RATE = _whole_number("ENTITLEMENT_RATE", default=60_000, at_least=1)
ENTITLEMENT_CUSTOMERS = _whole_number("ENTITLEMENT_CUSTOMERS", default=100_000, at_least=1)  # remembered by each process

# --- Static files, language, time ----------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"
# Compressing every file costs a minute, which pays off for a server and not for a demonstration on one machine.
_STATIC_STORAGE = (
    "django.contrib.staticfiles.storage.StaticFilesStorage"
    if DEBUG or TESTING
    else "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    if DEMO_MODE
    else "whitenoise.storage.CompressedManifestStaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": DATA_DIR / "media"}},
    "staticfiles": {"BACKEND": _STATIC_STORAGE},
}
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

# --- Mail and alerts -----------------------------------------------------------------------------------------------
EMAIL_CONFIG = environ.Env.email_url_config(env.str("EMAIL_URL", default="consolemail://"))
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 10  # seconds; an alert must not hang a worker
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="causeway@localhost")
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
ALERT_EMAILS: list[str] = _words("ALERT_EMAILS")

# --- Salesforce ----------------------------------------------------------------------------------------------------
API_BUDGET_SHARE = _whole_number("API_BUDGET_PERCENT", default=20, at_least=1) / 100  # I-18: our part of the daily limit
ALERT_HOOK_INTERNAL_ORIGINS = _words("ALERT_HOOK_INTERNAL_ORIGINS")

LAKE_URL = env.str("LAKE_URL", default=f"file://{DATA_DIR / 'lake'}").rstrip("/")
if not LAKE_URL.startswith(("file:///", "s3://", "gs://")):
    raise _refuse("LAKE_URL", "must begin with file:///, s3:// or gs://.")
LAKE_ENGINE_URL = env.str("LAKE_ENGINE_URL", default="duckdb://")  # runs the SQL over the lake's files
if not LAKE_ENGINE_URL.startswith(("duckdb://", "chdb://", "clickhouse://", "clickhouses://")):
    raise _refuse("LAKE_ENGINE_URL", "must begin with duckdb://, chdb://, clickhouse:// or clickhouses://.")
PRODUCT_EVENT_DAYS = _whole_number("PRODUCT_EVENT_DAYS", default=1095)  # product events are kept so long (S-114)
PRODUCT_DEDUPE_DAYS = _whole_number("PRODUCT_DEDUPE_DAYS", default=31)  # a repeat with another time is found so far around
USAGE_DAYS = _whole_number("USAGE_DAYS", default=400, at_least=1)  # reports of usage are kept so long
ANALYTICS_UNNAMED_DAYS = _whole_number("ANALYTICS_UNNAMED_DAYS", default=30, at_least=1)  # questions that nobody saved
ANALYTICS_RESULT_DAYS = _whole_number("ANALYTICS_RESULT_DAYS", default=400, at_least=1)  # of analyses; the newest stays
AUDIT_DAYS = _whole_number("AUDIT_DAYS", default=0)  # audit entries are kept so long; 0 = all of them
LAKE_MEMORY_MB = _whole_number("LAKE_MEMORY_MB", default=256)  # of one job; beyond it the engine spills to disk

REFRESH_MINUTE = _whole_number("REFRESH_MINUTE", default=0)  # BW-D7: minute of the hour at which key results refresh
if REFRESH_MINUTE > 59:
    raise _refuse("REFRESH_MINUTE", f"must be between 0 and 59, not {REFRESH_MINUTE}.")

# --- Logs: structured, without secrets, SOQL values or record bodies (I-14) ---------------------------------------
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
if LOG_LEVEL not in logging.getLevelNamesMapping():
    raise _refuse("LOG_LEVEL", f"must be DEBUG, INFO, WARNING or ERROR, not {LOG_LEVEL!r}.")
_shared = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"no_secrets": {"()": "project.logs.NoSecrets"}},
    "formatters": {
        "plain": {
            "()": "project.logs.NoSecretsFormatter",
            "processor": structlog.processors.JSONRenderer()
            if env.str("LOG_FORMAT", default="text") == "json"
            else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),  # no locals
            "foreign_pre_chain": _shared,
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["no_secrets"]}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # These write request lines, headers or bodies at DEBUG; a token must never reach a log file.
        "urllib3": {"level": "INFO"},
        "django.template": {"level": "INFO"},  # dumps whole contexts
        "django.db.backends": {"level": "INFO"},  # SQL with its values
        "django-q": {"level": "WARNING"},  # five lines a minute for the heartbeat alone
        "social": {"level": "INFO"},
        "zeep": {"level": "INFO"},
        "oauthlib": {"level": "INFO"},
        "requests_oauthlib": {"level": "INFO"},
    },
}
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.filter_by_level,
        *_shared[1:],
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
DJANGO_STRUCTLOG_COMMAND_LOGGING_ENABLED = False

UNFOLD = {"SITE_TITLE": "Causeway back office", "SITE_HEADER": "Causeway", "SITE_SYMBOL": "water", "SHOW_VIEW_ON_SITE": False}
