"""The command line, `extractctl`."""

import gc

gc.disable()  # while modules load: nothing of theirs is garbage, and looking for it takes a tenth of the start
