"""The nine steps of a gateway, shared by ШЭП and РШЭП.

(1) parse within size limits, (2) verify signature, chain, dates, revocation and owner, (3) look up (source, id),
(4) route, (5) order, (6) time, (7) one transaction, (8) acknowledge, (9) publish with confirm and mark `forwarded`.
Steps 4 to 6 are the gateway's own judgement, given as a pure function; everything else is here.
"""
