"""For pytest alone: the folder `sandbox/` has the name of its package.

In importlib mode pytest names a test module by its path (`sandbox.tests.test_x`) and would put an empty package made
from the folder in the place of the real one. The real one, imported first, stays.
"""

import sandbox  # noqa: F401 - imported for its place in sys.modules
