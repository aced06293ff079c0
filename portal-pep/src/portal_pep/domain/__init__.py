"""Rules of the portal, pure: facts in, decisions out. One file per subject, because together they outgrow a module.

states: the case and its TRANSITIONS; steps and provider: what the catalogue says of the portal's part; forms, files,
document: what a citizen may enter and what he signs; texts: what he reads; login, keyring: passwords and keys.
"""
