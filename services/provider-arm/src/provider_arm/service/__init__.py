"""Use cases of the workstation, by subject; one public function each, one transaction each."""
