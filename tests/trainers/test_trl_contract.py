"""What `vidalign.trainers` relies on in TRL. When one of these fails, read the upstream change before anything else:
each hash is of a method that we override, wrap or call with a stand-in."""

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
from trl.trainer.utils import FusedCausalLMOutput, RepeatSampler, add_fused_lm_head

OVERRIDDEN = {
    "DPOTrainer._compute_loss": (DPOTrainer._compute_loss, "5e58a1699e0d76cd"),
    "DPOTrainer._prepare_dataset": (DPOTrainer._prepare_dataset, "35e349e8e8266df4"),
    "DPOTrainer.compute_ref_log_probs": (DPOTrainer.compute_ref_log_probs, "90611af9cbadb8ec"),
    "DPOTrainer._precompute_ref_logps": (DPOTrainer._precompute_ref_logps, "f2c098c7da6ca701"),
    "DPOTrainer._set_signature_columns_if_needed": (
        DPOTrainer._set_signature_columns_if_needed,
        "71225a628baed4cb",
    ),
    "DPOTrainer.__init__": (DPOTrainer.__init__, "632f447c71dcb043"),
    "SFTTrainer.__init__": (SFTTrainer.__init__, "90b61e42b6900b05"),
    "SFTTrainer._prepare_dataset": (SFTTrainer._prepare_dataset, "04b668d28493f693"),
    "SFTTrainer.compute_loss": (SFTTrainer.compute_loss, "ca448211ff653fe6"),
    "GRPOTrainer.__init__": (inspect.unwrap(GRPOTrainer.__init__), "18f01b7a46c9544b"),
    "GRPOTrainer._generate_and_score_completions": (
        inspect.unwrap(GRPOTrainer._generate_and_score_completions),
        "1fa48922792dcd5c",
    ),
    "GRPOTrainer._generate": (inspect.unwrap(GRPOTrainer._generate), "2a27fdf8f5e6f356"),
    "GRPOTrainer._generate_single_turn": (
        inspect.unwrap(GRPOTrainer._generate_single_turn),
        "e0f02e4fc094cefd",
    ),
    "GRPOTrainer._tokenize_prompts": (inspect.unwrap(GRPOTrainer._tokenize_prompts), "d2d27f7c9bfda85f"),
    "GRPOTrainer._calculate_rewards": (inspect.unwrap(GRPOTrainer._calculate_rewards), "736ae29b083840b5"),
    "GRPOTrainer._prepare_inputs": (inspect.unwrap(GRPOTrainer._prepare_inputs), "f824e7fb07147956"),
    "GRPOTrainer._compute_loss": (inspect.unwrap(GRPOTrainer._compute_loss), "80295546bbdbf6f7"),
    "GRPOTrainer._get_per_token_logps_and_entropies": (
        inspect.unwrap(GRPOTrainer._get_per_token_logps_and_entropies),
        "ea73c3909275851d",
    ),
    "GRPOTrainer._get_train_sampler": (inspect.unwrap(GRPOTrainer._get_train_sampler), "36497afb4d311dc9"),
    "RepeatSampler.__iter__": (RepeatSampler.__iter__, "d80412d80424bd64"),
    "Trainer._run_epoch": (Trainer._run_epoch, "31aff00f34c302a2"),
    "Trainer._get_dataloader": (Trainer._get_dataloader, "d1296dbd4dcb6a20"),
    "VLLMGeneration.generate": (VLLMGeneration.generate, "2d2ac2be5b1309c4"),
    "data_utils._tokenize": (_tokenize, "5fc8cbcb4cacebc8"),
    "add_fused_lm_head": (add_fused_lm_head, "422d009f04b66659"),
}


def test_minor_version():
    assert trl.__version__.startswith("1.16.")


@pytest.mark.parametrize("name", list(OVERRIDDEN))
def test_source_is_the_one_that_was_read(name):
    function, expected = OVERRIDDEN[name]
    assert hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:16] == expected


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
