"""HTTP in: parse, call the service, render. One module per subject."""
