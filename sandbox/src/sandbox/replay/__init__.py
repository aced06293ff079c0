"""`egov replay`: scenarios, written by hand or made from the catalogue, played on the twin and held against the act."""
