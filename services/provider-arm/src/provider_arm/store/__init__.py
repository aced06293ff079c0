"""Every query of the workstation, by subject: people, cases, tasks, oversight."""
