"""boards/sim/pilot_main.py with the pilot of aged.py in the place of its own; the same command line. MicroPython subset.

micropython -m pilotwire.tools.bench.pilot.aged_main WORLD_PORT [INDEX=VALUE ...]
"""

import sys

from pilotwire.boards.sim import parameters, pilot_main
from pilotwire.tools.bench.pilot.aged import AgedPilot

if __name__ == "__main__":
    pilot_main.Pilot = AgedPilot  # type: ignore[attr-defined]
    pilot_main.main(int(sys.argv[1]), parameters.parse(sys.argv[2:]))
