"""HTTP in: what anybody may fetch, and what the administrator may ask for."""

from nuc_mock.api.calling import admin_guard, answer_once, issue_container, issue_for_request
from nuc_mock.api.routes import admin_routes, public_routes
from nuc_mock.api.shown import AnyKey, AnyProfile, IssuedOut, Model, NewCertificate, NewPerson, PersonOut

__all__ = [
    "AnyKey",
    "AnyProfile",
    "IssuedOut",
    "Model",
    "NewCertificate",
    "NewPerson",
    "PersonOut",
    "admin_guard",
    "admin_routes",
    "answer_once",
    "issue_container",
    "issue_for_request",
    "public_routes",
]
