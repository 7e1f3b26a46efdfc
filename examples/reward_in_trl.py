"""AVoCaDO's checklist reward in plain TRL: nothing else of vidalign is loaded, and the model reads text. Offline, on a CPU.

    python examples/reward_in_trl.py

Judged by words here, which is for trying things out. For a model as judge: `ChecklistReward(LLMJudge("openai/gpt-4.1"))`.
"""

import tempfile

from datasets import Dataset
from transformers import LlamaConfig, LlamaForCausalLM
from trl import GRPOConfig, GRPOTrainer

from vidalign.judge import LexicalJudge
from vidalign.rewards import ChecklistReward
from vidalign.toyworld.tokenizer import build_tokenizer

# Any model and tokenizer of transformers; this one knows the toy world's words.
tokenizer = build_tokenizer()
config = LlamaConfig(
    vocab_size=len(tokenizer),
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=4,
    pad_token_id=tokenizer.pad_token_id,
    eos_token_id=tokenizer.eos_token_id,
)

# `keypoints`: what a good answer says. The reward is the share of them that it does say.
rows = [
    {"prompt": "describe the video", "keypoints": ["a red circle moves left"]},
    {"prompt": "describe the video", "keypoints": ["the background is grey", "a blue square"]},
]

args = GRPOConfig(
    output_dir=tempfile.mkdtemp(),
    num_generations=4,
    per_device_train_batch_size=8,
    max_completion_length=16,
    max_steps=2,
    logging_steps=1,
    report_to="none",
    use_cpu=True,
    bf16=False,
)
trainer = GRPOTrainer(
    model=LlamaForCausalLM(config),
    reward_funcs=ChecklistReward(LexicalJudge()),
    args=args,
    train_dataset=Dataset.from_list(rows),
    processing_class=tokenizer,
)
trainer.train()
for entry in trainer.state.log_history:
    if "reward" in entry:
        print(f"reward {entry['reward']:.3f}, unscored {entry['checklist/unscored']:.0%}")
