"""The parameters of the simulated board, and how changes reach a pilot process."""

from __future__ import annotations

import pytest

from pilotwire.boards.sim import parameters
from pilotwire.firmware.kernel import params, variants
from pilotwire.tools.rig.rig import pilot_argv
from pilotwire.tools.rig.settings import SHORT_PAUSES, RigSettings


def test_the_simulated_board_has_everything_but_ventilation_and_is_a_good_block() -> None:
    block = parameters.build(())
    assert not block.damaged
    assert not block.fitted(params.VENTILATION)
    assert block.value[params.FITTED] == 8191 - params.VENTILATION
    others = [index for index in range(len(params.LIMITS)) if index != params.FITTED]
    assert [block.value[index] for index in others] == [variants.IEC[index] for index in others]


def test_changes_are_in_the_block_and_under_its_seal() -> None:
    block = parameters.build(((params.MAX_MA, 63000), (params.DC_MAX_MA, 200000), (params.MAX_MA, 16000)))
    assert not block.damaged
    assert (block.value[params.MAX_MA], block.value[params.DC_MAX_MA]) == (16000, 200000)
    assert block.value[params.TTL_MS] == variants.IEC[params.TTL_MS]
    assert parameters.build(()).value[params.MAX_MA] == 32000, "the board's own block is untouched"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((-1, 5), "no parameter -1; they are 0..15"),
        ((16, 5), "no parameter 16"),
        ((params.MAX_MA, 5999), "parameter 0 is 6000..80000, not 5999"),
        ((params.PHASES, 4), "parameter 1 is 1..3, not 4"),
        ((params.PHASES, 2), "phases are 1 or 3"),
        ((params.STOP_DDEG, 500), "below the temperature that stops"),
    ],
)
def test_a_block_that_the_kernel_would_refuse_is_not_built(change: tuple[int, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parameters.build((change,))


def test_a_command_line_carries_the_changes() -> None:
    argv, _ = pilot_argv(4711, RigSettings(board_ma=20000).pilot_changes(), cpython=True)
    assert argv[argv.index("4711") + 1 :] == ["0=20000", "4=1000", "5=1000"]
    assert tuple(parameters.parse(argv[argv.index("4711") + 1 :])) == ((params.MAX_MA, 20000), *SHORT_PAUSES)
    assert parameters.parse([]) == []


@pytest.mark.parametrize("argument", ["32000", "a=5", "5=", "=", "1=2=3"])
def test_a_command_line_that_is_no_change_is_refused(argument: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        parameters.parse([argument])


def test_the_true_pauses_are_there_for_whoever_asks() -> None:
    block = parameters.build(RigSettings(parameters=()).pilot_changes())
    assert (block.value[params.MIN_OFF_MS], block.value[params.FAULT_OFF_MS]) == (10000, 30000)
    block = parameters.build(RigSettings().pilot_changes())
    assert (block.value[params.MIN_OFF_MS], block.value[params.FAULT_OFF_MS]) == (1000, 1000)
