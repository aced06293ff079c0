"""Rules of the workstation, pure: facts in, decisions out. One file per subject: together they outgrow a module.

cases: the case, its tasks, its people, its documents; own: the draft of the provider's own channel and its questions to
the register; answers: what a register's answer means; files: what may be scanned in.
"""
