"""Rewards for TRL's GRPO, and for whoever wants the number: AVoCaDO's three (2510.10395), repetition, and their sum.

The classes take a judge. The instances below them can be named by dotted path in a YAML for `trl grpo`; their judges come
from the environment (`VIDALIGN_JUDGE`), offline by default, or from the recipe of `VideoGRPOTrainer`. Imports neither torch nor
av.
"""

from vidalign.rewards.checklist import ChecklistReward, checklist_score
from vidalign.rewards.composite import SumReward, avocado_rewards, joint_rewards
from vidalign.rewards.dialogue import DialogueReward, Match, align_dialogue, dialogue_f1, similarity
from vidalign.rewards.length import LengthReward, length_ramp
from vidalign.rewards.repetition import (
    RepetitionReward,
    collapsed,
    repetition,
    repetition_collapse_rate,
)

__all__ = [
    "ChecklistReward",
    "DialogueReward",
    "LengthReward",
    "Match",
    "RepetitionReward",
    "SumReward",
    "align_dialogue",
    "avocado_checklist_reward",
    "avocado_dialogue_reward",
    "avocado_length_reward",
    "avocado_reward",
    "avocado_rewards",
    "checklist_reward",
    "checklist_score",
    "collapsed",
    "dialogue_f1",
    "dialogue_reward",
    "joint_rewards",
    "length_ramp",
    "length_reward",
    "repetition",
    "repetition_collapse_rate",
    "repetition_reward",
    "similarity",
]

length_reward = LengthReward()
checklist_reward = ChecklistReward()
dialogue_reward = DialogueReward()
repetition_reward = RepetitionReward()
avocado_reward = SumReward()
# For one trainer, together: a completion that one of them could not score is left out by all.
avocado_checklist_reward, avocado_dialogue_reward, avocado_length_reward = avocado_rewards()
