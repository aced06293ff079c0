"""What tests of all distributions share: the pytest plugin, private servers, a small PKI."""
