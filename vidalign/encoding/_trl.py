"""The one private function of TRL that rows are tokenised by (TRL 1.16); `tests/trainers/test_trl_contract.py` pins it."""

from trl.data_utils import _tokenize as tokenize

__all__ = ["tokenize"]
