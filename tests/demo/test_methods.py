"""The methods stand for what the report says of them."""

from demo.methods import CHAIN_METHODS, TOWERS
from demo.settings import CHAIN_LENGTH
from vidalign.trainers.ranking import LOSSES, RankingTrainer

RANKED = {name: method for name, method in CHAIN_METHODS.items() if method.trainer is RankingTrainer}


def test_each_method_takes_its_part_of_the_chain():
    assert {name: method.options["chain_length"] for name, method in RANKED.items()} == {
        "DPO": 2,
        "MPO": CHAIN_LENGTH,
        "Ranking 3": 3,
        "Ranking 5": CHAIN_LENGTH,
    }
    for method in RANKED.values():
        # The trainer takes a collator of one's own as it is.
        assert method.collator(None, 0).chain_length == method.options["chain_length"]
        assert method.options["loss_type"][0] in LOSSES
        assert method.reference


def test_the_next_token_loss_has_the_papers_weight(tmp_path):
    for method in RANKED.values():
        assert method.config(output_dir=str(tmp_path), use_cpu=True, **method.options).ntp_weight == 0.1


def test_only_the_vision_tower_is_ever_frozen():
    assert TOWERS == {"trainable": [], "frozen": ["vision_tower"]}
