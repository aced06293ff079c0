"""asn1crypto, with all its names: the one door to it.

A class of asn1crypto takes its table of names into use, and keeps it, when it is first asked; `asn1crypto.tsp` adds the
names of time stamps to the classes of a CMS when it is imported. Whoever read a CMS or a PKCS#12 file before that could
read and make no time stamp for the rest of the process ("invalid literal for int(): 'tst_info'").
"""

from __future__ import annotations

from asn1crypto import algos, cms, core, crl, keys, ocsp, pem, pkcs12, tsp, x509  # noqa: TID251 - the door

__all__ = ["algos", "cms", "core", "crl", "keys", "ocsp", "pem", "pkcs12", "tsp", "x509"]
