"""Rules of an application at its origin; pure."""
