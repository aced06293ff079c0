"""Every query, one file per subject."""
