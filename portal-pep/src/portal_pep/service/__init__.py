"""Use cases of the portal, one public function each, one transaction each."""
