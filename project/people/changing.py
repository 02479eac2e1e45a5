"""People are invited, given a role, switched off and on; one verb each for pages and API. All of it is in the audit (S-110).

Whoever acts never gives more than they may (S-072), and the last super admin stays: the rows of all super admins are locked
before one stops being one, so that two who switch each other off at the same moment cannot both succeed.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.db import transaction
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from integrations import audit
from integrations.access import DOMAIN_GROUPS, GROUPS, Refusal, domains_of, forget_groups, role_of
from okr import licenses
from project.people.rights import Rights, why_not_give, why_not_manage

MANAGED = frozenset({*GROUPS.values(), *DOMAIN_GROUPS.values()})
SENT = (
    "Somebody made you an account in Causeway. Choose your password here within three days:\n\n{link}\n\n"
    "Your username is {name}.\n"
)


class NotAllowed(Refusal):
    """The person may not do this; the API answers 403."""

    status = 403


class WrongField(Refusal):
    """A value that cannot be used; `field` names it, the API answers 400."""

    status = 400

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"wrong_{field}", message)
        self.field = field


def rights_of(user: User) -> Rights:
    """The rights that `user` has while active."""
    if user.is_superuser:
        return Rights("superadmin")
    active, user.is_active = user.is_active, True
    try:
        return Rights(role_of(user), domains_of(user))
    finally:
        user.is_active = active


def invite_person(
    *, username: str, email: str, first_name: str, last_name: str, rights: Rights, actor: Any, now: datetime,
    address: str | None = None,
) -> User:  # fmt: skip
    """A new account without a password; `link_for` gives the address at which its person chooses one."""
    _check_giving(actor, rights)
    name, mail = _free_name(username), _mail(email)
    with transaction.atomic():
        user = User(username=name, email=mail, first_name=first_name.strip()[:150], last_name=last_name.strip()[:150])
        user.set_unusable_password()
        user.save()
        _write(user, rights)
        audit.record("user.created", actor=actor, target=name, after=_facts(user), address=address)
    return user


def change_rights(user: User, rights: Rights, *, actor: Any, address: str | None = None) -> bool:
    """Give `user` these rights; False when they had them. Effective with their next request."""
    _check_managing(actor, user)
    _check_giving(actor, rights)
    with transaction.atomic():
        _lock_super_admins()
        before = _facts(user)
        if rights_of(user) == rights:
            return False
        if user.is_superuser:
            _check_not_last(user)
        _write(user, rights)
        audit.record("user.rights_changed", actor=actor, target=user, before=before, after=_facts(user), address=address)
    return True


def switch_off(user: User, *, actor: Any, now: datetime, address: str | None = None) -> int:
    """Nobody signs in as `user` any more: sessions end, keys stop, seats are free. Returns the seats freed (S-054, BW-D3)."""
    _check_managing(actor, user)
    with transaction.atomic():
        _lock_super_admins()
        if user.is_superuser:
            _check_not_last(user)
        freed = licenses.deactivate_person(user, actor=actor, now=now)
        end_sessions(user, now=now)
    return freed


def switch_on(user: User, *, actor: Any, address: str | None = None) -> bool:
    """`user` may sign in again, with the rights of before; seats do not come back by themselves. False if they could."""
    _check_managing(actor, user)
    with transaction.atomic():
        if not get_user_model().objects.filter(pk=user.pk, is_active=False).update(is_active=True):
            return False
        before, user.is_active = _facts(user), True
        audit.record("user.reactivated", actor=actor, target=user, before=before, after=_facts(user), address=address)
    return True


def make_link(user: User, *, actor: Any, send: bool = False, address: str | None = None) -> str:
    """An address that works once, for three days, at which `user` chooses a password. With `send` it goes to them by mail."""
    _check_managing(actor, user)
    if not user.is_active:
        raise Refusal("user_inactive", f"{user.get_username()} is switched off. Switch the account on first.")
    if send and not user.email:
        raise WrongField("email", f"{user.get_username()} has no e-mail address. Copy the link instead.")
    coded = urlsafe_base64_encode(force_bytes(user.pk))
    link = settings.BASE_URL + reverse("set_password", args=[coded, default_token_generator.make_token(user)])
    if send:
        text = SENT.format(link=link, name=user.get_username())
        try:
            send_mail("Your account in Causeway", text, None, [user.email])
        except OSError as error:
            raise Refusal("mail_failed", "The mail could not be sent. Copy the link instead, or look at EMAIL_URL.") from error
    audit.record("user.link_made", actor=actor, target=user, after={"sent": send}, address=address)
    return link


def sessions_of(user: User, *, now: datetime) -> list[Session]:
    """The sessions in which `user` is signed in. Reads all sessions that have not ended, which is a few for each person."""
    live = Session.objects.filter(expire_date__gt=now).order_by("-expire_date").iterator(500)
    return [each for each in live if each.get_decoded().get("_auth_user_id") == str(user.pk)]


def end_sessions(user: User, *, now: datetime, but: str | None = None) -> int:
    """Sign `user` out everywhere, except in the session whose key is `but`. Returns how many sessions ended."""
    keys = [each.session_key for each in sessions_of(user, now=now) if each.session_key != but]
    return Session.objects.filter(session_key__in=keys).delete()[0]


# --- Inside ----------------------------------------------------------------------------------------------------------


def _facts(user: User) -> dict[str, Any]:
    return {**rights_of(user).as_data(), "is_active": user.is_active}


def _check_managing(actor: Any, user: User) -> None:
    reason = why_not_manage(role_of(actor), rights_of(user).role, is_self=actor.pk == user.pk)
    if reason:
        raise NotAllowed("not_allowed", reason)


def _check_giving(actor: Any, rights: Rights) -> None:
    field, reason = why_not_give(role_of(actor), rights)
    if not reason:
        return
    if reason.startswith("Only"):
        raise NotAllowed("not_allowed", reason)
    raise WrongField(field, reason)


def _lock_super_admins() -> None:
    list(get_user_model().objects.select_for_update().filter(is_superuser=True).order_by("pk").values_list("pk"))


def _check_not_last(user: User) -> None:
    others = get_user_model().objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
    if not others.exists():
        raise Refusal("last_superadmin", "This is the last super admin. Make somebody else one first.")


def _write(user: User, rights: Rights) -> None:
    """Store the rights: the flag of super admins, and those groups that mean a role; other groups stay."""
    top = rights.role == "superadmin"
    if user.is_superuser != top:
        user.is_superuser = user.is_staff = top
        user.save(update_fields=["is_superuser", "is_staff"])
    role = [GROUPS[rights.role]] if rights.role in GROUPS else []
    wanted = [*role, *(DOMAIN_GROUPS[each] for each in rights.domains)]
    user.groups.remove(*user.groups.filter(name__in=MANAGED - set(wanted)))
    user.groups.add(*(Group.objects.get_or_create(name=each)[0] for each in wanted))
    forget_groups(user)


def _free_name(username: str) -> str:
    name = User.normalize_username(username.strip())
    try:
        User._meta.get_field("username").clean(name, None)  # pyright: ignore[reportAttributeAccessIssue]
    except ValidationError as error:
        raise WrongField("username", " ".join(error.messages)) from error
    if get_user_model().objects.filter(username__iexact=name).exists():
        raise WrongField("username", f"There is already somebody called {name}.")
    return name


def _mail(email: str) -> str:
    mail = email.strip()
    if not mail:
        return ""
    try:
        validate_email(mail)
    except ValidationError as error:
        raise WrongField("email", "This is not an e-mail address.") from error
    if get_user_model().objects.filter(email__iexact=mail).exists():
        raise WrongField("email", "Somebody else has this e-mail address already.")
    return mail[:254]
