"""The kernel's parameter block of a Linux-only board: FITTED is what the configuration declares, and nothing else."""

from __future__ import annotations

from pilotwire.boards.linux_direct.config import Config
from pilotwire.firmware.kernel import params, variants

_BY_LINE = {
    "vent": params.VENTILATION,
    "coil_phases": params.SECOND,
    "lock": params.LOCK,
    "rcd_dc": params.RCD_DC,
    "rcd_ac": params.RCD_AC,
    "rcd_test": params.RCD_TEST,
    "earth_ok": params.EARTH,
    "pen_lost": params.PEN,
    "stop_pressed": params.STOP_BUTTON,
}
_BY_ANALOG = {
    "pp": params.SOCKET,
    "current": params.CURRENT,
    "plug_temp": params.PLUG_TEMP,
    "board_temp": params.BOARD_TEMP,
}


def build(config: Config) -> params.Parameters:
    """The block, sealed; whatever the kernel would not take, it marks as damaged, and nothing closes."""
    block: tuple[int, ...] = variants.IEC if config.parameters.standard == "iec" else variants.J1772
    chosen = config.parameters
    fitted = 0
    for table, declared in ((_BY_LINE, config.lines), (_BY_ANALOG, config.analog)):
        for name, bit in table.items():
            fitted |= bit if name in declared else 0
    for index, value in (
        (params.FITTED, fitted),
        (params.MAX_MA, chosen.max_ma),
        (params.PHASES, chosen.phases),
        (params.MIN_OFF_MS, chosen.min_off_ms),
        (params.FAULT_OFF_MS, chosen.fault_off_ms),
        (params.DERATE_DDEG, chosen.derate_ddeg),
        (params.STOP_DDEG, chosen.stop_ddeg),
        (params.DC_MAX_MA, chosen.dc_max_ma),
    ):
        block = params.changed(block, index, value)
    return params.Parameters(block, params.seal(block))
