"""`egov doctor`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from sandbox.options import JsonOption
from sandbox.partner_cli import Lang

Subjects = Annotated[
    list[str] | None, typer.Argument(help="Files, addresses (http://...); without: the deployment of --home.")
]
HomeOption = Annotated[Path | None, typer.Option("--home", help="A running deployment's: more is checked (EGOV_HOME).")]
AsOption = Annotated[Path | None, typer.Option("--as", help="A partner's folder.", envvar="EGOV_PARTNER")]
SignatureOption = Annotated[
    Path | None, typer.Option("--signature", help="The envelope's detached JWS; default FILE.jws.")
]
CertificateOption = Annotated[Path | None, typer.Option("--certificate", help="The signer's, where no list tells it.")]
RootOption = Annotated[Path | None, typer.Option("--root", help="НУЦ's root; default the home's or the folder's.")]
CrlOption = Annotated[Path | None, typer.Option("--crl", help="A revocation list of НУЦ's, DER.")]
PasswordOption = Annotated[Path | None, typer.Option("--password-file", help="Of a PKCS#12 key store.")]
LangOption = Annotated[Lang, typer.Option("--lang", help="Language of findings and remedies.")]


def doctor(
    subjects: Subjects = None,
    *,
    home: HomeOption = None,
    at: AsOption = None,
    signature: SignatureOption = None,
    certificate: CertificateOption = None,
    root: RootOption = None,
    crl: CrlOption = None,
    password_file: PasswordOption = None,
    lang: LangOption = Lang.EN,
    as_json: JsonOption = False,
) -> None:
    """What is wrong with an envelope, certificate, clock or route; exits 0 nothing, 1 findings, 2 unreadable."""
    from sandbox.doctor.examining import Means, examine
    from sandbox.doctor.report import Unreadable
    from sandbox.partner_folder import FolderUnusable
    from sandbox.running import run

    at_home = home or (Path(value) if (value := os.environ.get("EGOV_HOME")) else None)
    means = Means(at_home, at, signature, certificate, root, crl, password_file)
    try:
        reports = run(examine(subjects or [], means, lang.value))
    except (Unreadable, FolderUnusable) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps([report.as_json() for report in reports], ensure_ascii=False, indent=2))
    else:
        typer.echo("\n".join(line for report in reports for line in report.lines()))
    raise typer.Exit(int(any(report.findings for report in reports)))
