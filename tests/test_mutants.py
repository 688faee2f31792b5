"""The faults of `make mutants` can still be put into the program."""

from tests.faulty import MUTANTS
from tests.mutants import misfits


def test_every_fault_fits_its_file() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) > 40
    assert misfits(MUTANTS) == []
