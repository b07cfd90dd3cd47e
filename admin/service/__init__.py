"""The acts of the office: who calls, then permission and audit, then the act, one transaction."""

from admin.service.accounts import AccountService, NewAccount
from admin.service.base import Caller, Edit, Listing, View
from admin.service.environments import EnvironmentService, NewEnvironment
from admin.service.first_admin import (
    AdminExists,
    UnfitCredentials,
    create_first_admin,
    recover_admin_key,
)
from admin.service.keys import KeyService, NewKey

__all__ = [
    "AccountService",
    "AdminExists",
    "Caller",
    "Edit",
    "EnvironmentService",
    "KeyService",
    "Listing",
    "NewAccount",
    "NewEnvironment",
    "NewKey",
    "UnfitCredentials",
    "View",
    "create_first_admin",
    "recover_admin_key",
]
