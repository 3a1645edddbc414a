"""Nothing that was acknowledged is lost: the short version of `make crash`."""

import pytest

from tests.crash import killing


@pytest.mark.chain
def test_every_acknowledged_record_is_in_the_log_exactly_once_after_one_kill_of_each_part(tmp_path):
    outcome = killing.run(tmp_path, kills=6, seed=7)
    assert set(outcome.kills) == set(killing.TARGETS)
    assert outcome.acknowledged > 50
    assert outcome.report["anchored"] == outcome.report["leaves"]
