"""What extractctl answers, and what its errors become."""

from __future__ import annotations

import pytest
from ansible_collections.jivs.extraction.plugins.module_utils.command import Refused, answer


def test_an_object_is_read() -> None:
    assert answer(0, '{"a": 1}\n', "", ["rollout"]) == {"a": 1}
    assert answer(1, '{"a": 1}', "", ["judge"], (0, 1)) == {"a": 1}


@pytest.mark.parametrize(
    ("status", "out", "err", "sentence"),
    [
        (1, "", "Rollout 3 runs:\n  wait.\n", "Rollout 3 runs: wait."),
        (2, "{}", "", "extractctl rollout ended with status 2."),
        (0, "", "", "extractctl rollout did not answer with an object."),
        (0, "[]", "", "extractctl rollout did not answer with an object."),
    ],
)
def test_what_went_wrong_is_one_sentence(status: int, out: str, err: str, sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        answer(status, out, err, ["rollout"])
    assert str(refused.value) == sentence
    assert refused.value.status == (status or 1)
