"""АРМ РШЭП, the provider's workstation."""
