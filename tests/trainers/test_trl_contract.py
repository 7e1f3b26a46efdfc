"""What `vidalign.trainers` relies on in TRL. When one of these fails, read the upstream change before anything else:
each hash is of a method that we override (`_trl.OVERRIDDEN`), wrap or call with a stand-in."""

import hashlib
import inspect

import pytest
import torch
import trl
from transformers import Trainer
from trl import DPOTrainer, GRPOTrainer, SFTTrainer
from trl.data_utils import _tokenize
from trl.generation.vllm_generation import VLLMGeneration
from trl.trainer import dpo_trainer, grpo_trainer, sft_trainer, utils
from trl.trainer.base_trainer import _BaseTrainer
from trl.trainer.utils import FusedCausalLMOutput, RepeatSampler, add_fused_lm_head

from vidalign.trainers._trl import OVERRIDDEN
from vidalign.trainers.dpo import VideoDPOTrainer
from vidalign.trainers.grpo import VideoGRPOTrainer
from vidalign.trainers.ranking import RankingTrainer
from vidalign.trainers.sft import VideoSFTTrainer
from vidalign.trainers.synpo import SynPOTrainer

CLASSES = {
    "DPOTrainer": DPOTrainer,
    "SFTTrainer": SFTTrainer,
    "GRPOTrainer": GRPOTrainer,
    "_BaseTrainer": _BaseTrainer,
    "Trainer": Trainer,
}
READ = {
    f"{owner}.{name}": (getattr(CLASSES[owner], name), digits)
    for owner, methods in OVERRIDDEN.items()
    for name, digits in methods.items()
} | {
    # Not overridden, but wrapped, copied or called with a stand-in.
    "SFTTrainer.compute_loss": (SFTTrainer.compute_loss, "ca448211ff653fe6"),
    "RepeatSampler.__iter__": (RepeatSampler.__iter__, "d80412d80424bd64"),
    "VLLMGeneration.generate": (VLLMGeneration.generate, "2d2ac2be5b1309c4"),
    "data_utils._tokenize": (_tokenize, "5fc8cbcb4cacebc8"),
    "add_fused_lm_head": (add_fused_lm_head, "422d009f04b66659"),
}
OURS = (VideoDPOTrainer, SynPOTrainer, RankingTrainer, VideoSFTTrainer, VideoGRPOTrainer)


def overrides(trainer):
    """(class, name) of the methods of libraries that a trainer of ours, or a class mixed into it, overrides."""
    of_libraries = [
        c for c in trainer.__mro__ if c is not object and not c.__module__.startswith("vidalign.")
    ]
    for own in trainer.__mro__:
        if own.__module__.startswith("vidalign."):
            for name in (name for name, value in vars(own).items() if inspect.isfunction(value)):
                owner = next((c for c in of_libraries if name in vars(c)), None)
                # What transformers documents is no private of its.
                if owner is not None and (owner is not Trainer or name.startswith("_")):
                    yield owner.__name__, name


def test_minor_version():
    assert trl.__version__.startswith("1.16.")


@pytest.mark.parametrize("name", list(READ))
def test_source_is_the_one_that_was_read(name):
    function, expected = READ[name]
    source = inspect.getsource(inspect.unwrap(function))
    assert hashlib.sha256(source.encode()).hexdigest()[:16] == expected


def test_what_is_overridden_is_named_and_nothing_else():
    named = {(owner, name) for owner, methods in OVERRIDDEN.items() for name in methods}
    assert {override for trainer in OURS for override in overrides(trainer)} == named


@pytest.mark.parametrize("module", [dpo_trainer, sft_trainer, grpo_trainer])
def test_the_seams_are_names_of_the_trainers_modules(module):
    assert module.add_fused_lm_head is utils.add_fused_lm_head
    assert module.create_model_from_path is utils.create_model_from_path
    assert callable(module.get_peft_model)


def test_fused_output_has_the_fields_that_are_put_back_into_rows():
    fields = set(FusedCausalLMOutput.__dataclass_fields__)
    rows = {"log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1", "label_mask"}
    assert fields == rows | {"loss", "aux_loss"}


def test_shifted_labels_are_scored_as_they_are():
    """The packed forward hands over hidden states with labels already beside them."""
    from vidalign.families import FAMILIES

    model = FAMILIES["llama"].tiny_model()
    ids = torch.arange(2, 8)[None]
    add_fused_lm_head(model)
    shifted = model(input_ids=ids[:, :-1], shift_labels=ids[:, 1:], fused_lm_head=True).log_probs
    assert torch.allclose(shifted, model(input_ids=ids, labels=ids, fused_lm_head=True).log_probs, atol=1e-6)
