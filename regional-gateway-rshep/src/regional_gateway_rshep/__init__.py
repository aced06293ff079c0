"""РШЭП, the regional gateway: its region's systems and routes."""
