"""Rules of the centre's workstation, pure: facts in, decisions out. One file per subject, because together they outgrow
a module.

states: the case and its TRANSITIONS; steps, members: what the catalogue and the member list say of the centre's part;
people: operators, roles, logins; consumer, answers: who applies and what the registers say of him; forms, files: what
is entered at the counter; document: what is signed; counter: queue and survey; texts: what people read; keyring: keys.
"""
