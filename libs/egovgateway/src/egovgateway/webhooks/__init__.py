"""Webhooks: a gateway POSTs what waits for a participant without a broker, instead of being asked for it.

`addresses` says where a call may go, `store` holds every query, `courier` delivers, `service` are the participant's
and the operators' use cases, `api` their HTTP. At least once, each case in order, one process at a time per delivery.
"""
