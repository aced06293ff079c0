"""Twin of НУЦ: certificates and revocation lists."""
