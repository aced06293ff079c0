"""Use cases: one public function each, one transaction each."""
