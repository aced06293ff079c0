"""`egov certify`: the obligatory scenarios against a partner's system, judged from the bus's evidence alone."""
