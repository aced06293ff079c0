"""The bus from Python: one generated package for each service, and `signing`, written by hand."""
