"""Of what the applicant is told by the act's own notifications."""

from __future__ import annotations

from typing import Final

from egovlaw.catalogue import Form, Regulation

EXTENSION: Final = "extension"


def notification_form(regulation: Regulation) -> Form | None:
    return next((form for form in regulation.forms if form.kind == "notification"), None)


def told_of_extension(regulation: Regulation | None) -> bool:
    """Some acts notify of an extended term, some of changes of the status alone (N13); where the act has no rule of its
    own he is told."""
    form = None if regulation is None else notification_form(regulation)
    return form is None or EXTENSION in form.sent_on
