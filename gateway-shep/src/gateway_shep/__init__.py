"""ШЭП, the national gateway: register of participants, routing, order, time, journal."""
