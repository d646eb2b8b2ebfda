"""The arrays of this simulation: one number a site, or one row a moment and one column a site."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
