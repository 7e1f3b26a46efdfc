"""What the papers have and where their values stand: names of places, and numbers. Read from the papers, by hand."""


def _places(sections, appendices, tables, figures, equations):
    """sections, appendices: names apart from each other by spaces. tables, figures, equations: how many."""
    numbered = (("Table", tables), ("Figure", figures), ("Eq.", equations))
    return {
        *(f"section {name}" for name in sections.split()),
        *(f"App. {name}" for name in appendices.split()),
        *(f"{kind} {number}" for kind, count in numbered for number in range(1, count + 1)),
    }


PLACES = {
    "avocado": _places(
        "1 2 2.1 2.2 3 3.1 3.2 3.2.1 3.2.2 3.2.3 3.2.4 4 4.1 4.1.1 4.1.2 4.2 4.2.1 4.2.2 4.2.3 4.2.4 5",
        "A B C D D.1 D.2 D.3 D.4 E F G G.1 G.2 G.3 G.4 G.5 G.6 H",
        tables=5,
        figures=17,
        equations=9,
    ),
    "avc_dpo": _places("1 2 2.1 2.2 2.3 2.4 3 3.1 3.2 3.3 4", "", tables=2, figures=2, equations=2),
    "caption_chains": _places(
        "1 2 3 3.1 3.2 3.3 4 4.1 4.1.1 4.1.2 4.2 4.2.1 4.2.2 4.3 4.3.1 4.3.2 4.3.3 4.3.4 5",
        "",
        tables=8,
        figures=4,
        equations=4,
    ),
    "llava_hound": _places(
        "1 2 2.1 2.2 2.3 3 3.1 3.2 3.3 4 5 5.1 5.2 6 7", "A B C D E F G", tables=5, figures=23, equations=0
    ),
    "synpo": _places(
        "1 2 3 3.1 3.2 4 4.1 4.2 4.2.1 4.2.2 4.2.3 4.3 5 5.1 5.2 5.2.1 5.2.2 6",
        "A B C D D.1 D.1.1 D.1.2 D.1.3 D.2 D.3 D.3.1 D.3.2 E E.1 E.2 E.3 F F.1 F.2 F.3",
        tables=8,
        figures=6,
        equations=6,
    ),
}

NAMES = {"AVoCaDO": "avocado", "SynPO": "synpo", "caption chains": "caption_chains"}
"""How recipes of no paper name the one that a value is from."""

_CHAIN_ROWS = {"Pretrained", "SFT", "DPO", "MPO", "Rank"}
ROWS = {
    ("avocado", "Table 4"): {"Qwen2.5-Omni", "AVoCaDO-SFT", "AVoCaDO-SFT-2K", "AVoCaDO-GRPO"},
    ("avc_dpo", "Table 1"): {"AVC-DPO-temporal-7B", "AVC-DPO-spatial-7B"},
    ("caption_chains", "Table 2"): _CHAIN_ROWS,
    ("caption_chains", "Table 6"): {"MCQ", "MCQ/YNQ", "MCQ/YNQ/Cap"},
    ("caption_chains", "Table 7"): {"SFT", "DPO", "Rank"},
    ("caption_chains", "Table 8"): {"Hinge", "Plackett-Luce DPO"},
    ("llava_hound", "Table 3"): {f"[{number}]" for number in range(1, 13)},
    ("synpo", "Table 3"): {"LLaVA1.6-7B-video", "InternVL2-8B"},
}
"""Rows and columns of tables that recipes name."""

_CHECKLIST, _DIALOGUE, _LENGTH = (
    f"vidalign.rewards.avocado_{name}_reward" for name in ("checklist", "dialogue", "length")
)

# (paper, place): {key: values}. `batch` is how many rows a step has. "code" is what the authors released.
STATED = {
    ("avc_dpo", "Table 1"): {"model_name_or_path": ["Qwen/Qwen2.5-VL-7B-Instruct"]},
    ("avc_dpo", "section 2.4"): {"loss_type": [["sigmoid"]]},
    ("avc_dpo", "Eq. 2"): {"loss_type": [["sigmoid"]]},
    ("avc_dpo", "section 3.1"): {
        "freeze": [["vision_tower"]],
        "video_fps": [2.0],
        "video_max_frames": [32],
        "num_train_epochs": [1],
    },
    ("avocado", "section 3"): {
        "model_name_or_path": ["Qwen/Qwen2.5-Omni-7B", "out/avocado-sft"],
        "use_audio_in_video": [True],
    },
    ("avocado", "section 3.2.4"): {"max_completion_length": [4096]},
    ("avocado", "Eq. 1"): {"scale_rewards": ["group"]},
    ("avocado", "Eq. 2"): {
        "loss_type": ["luspo"],
        "importance_sampling_level": ["sequence"],
        "use_bias_correction_kl": [False],
    },
    ("avocado", "Eq. 3"): {"reward_funcs": [_CHECKLIST]},
    ("avocado", "section 3.2.2"): {"judges.checklist": ["openai/gpt-4.1"]},
    ("avocado", "section 3.2.3"): {"judges.dialogue, speakers": ["gemini/gemini-2.5-pro"]},
    ("avocado", "Eq. 4"): {"reward_settings.avocado_dialogue_reward": [{"normalise": False}]},
    ("avocado", "Eq. 7"): {"reward_funcs": [_DIALOGUE]},
    ("avocado", "Eq. 8"): {"reward_funcs": [_LENGTH]},
    ("avocado", "Eq. 9"): {"reward_funcs": [[_CHECKLIST, _DIALOGUE, _LENGTH], [_DIALOGUE, _CHECKLIST]]},
    ("avocado", "Table 4"): {
        "model_name_or_path": ["out/avocado-sft"],
        "reward_funcs": [[_DIALOGUE], [_CHECKLIST, _DIALOGUE]],
    },
    ("avocado", "App. C"): {
        "freeze": [["vision_tower", "audio_tower"]],
        "video_fps": [2.0],
        "video_max_pixels": [512 * 28 * 28],
        "learning_rate": {"sft": [2e-5], "grpo": [1e-5]},
        "num_train_epochs": {"sft": [2], "grpo": [1]},
        "batch": {"sft": [128], "grpo": [64, 64 * 8]},
        "beta": [0.04],
        "num_generations": [8],
        "temperature": [1.0],
    },
    ("avocado", "App. D.2"): {
        "video_total_tokens": [25_600],
        "max_length": [32_768],
        "max_completion_length": [4096],
        "max_video_seconds": [100.0],
    },
    ("caption_chains", "Eq. 2"): {"loss_type": [["plackett_luce"]]},
    ("caption_chains", "Eq. 3"): {"loss_type": [["plackett_luce"]]},
    ("caption_chains", "Eq. 4"): {"loss_type": [["hinge"]]},
    ("caption_chains", "section 4"): {
        "model_name_or_path": ["facebook/Perception-LM-1B", "Qwen/Qwen2.5-VL-3B-Instruct"],
        "use_peft": [True],
        "lora_target_modules": [["language-model+vision-tower+projector"]],
        "loss_type": [["dpo"], ["mpo"]],
        "ntp_weight": [0.1],
        "learning_rate": [1e-6],
        "max_steps": [1000],
        "optim": ["adamw_torch"],
        "batch": [8],
    },
    ("caption_chains", "section 4.2.2"): {"max_steps": [500]},
    ("caption_chains", "section 4.3.1"): {
        "freeze": [["vision_tower"], []],
        "lora_target_modules": [["language-model+projector"]],
    },
    ("llava_hound", "section 3.3"): {"loss_type": [["sigmoid"]], "beta": [0.1]},
    ("llava_hound", "section 5"): {"learning_rate": [5e-7], "num_train_epochs": [3], "batch": [128]},
    ("llava_hound", "code"): {
        "freeze": [["vision_tower", "projector"]],
        "max_length": [2048 - 8 + 8 * 257],
        "label_smoothing": [0.0],
        "lr_scheduler_type": ["linear"],
        "warmup_steps": [0.1],
        "optim": ["adamw_torch"],
        "weight_decay": [0.0],
        "gradient_checkpointing": [True],
        "bf16": [True],
        "logging_steps": [1],
        "save_steps": [70],
    },
    ("synpo", "Eq. 4"): {"loss_type": [["synpo"]], "synpo_variant": ["synpo"]},
    ("synpo", "Table 3"): {"model_name_or_path": ["llava-hf/LLaVA-NeXT-Video-7B-hf"]},
    ("synpo", "section 5.2.2"): {
        "model_name_or_path": ["meta-llama/Meta-Llama-3-8B-Instruct", "mistralai/Mistral-7B-Instruct-v0.2"],
        "dataset_name": ["HuggingFaceH4/ultrafeedback_binarized"],
    },
    ("synpo", "App. C"): {
        "use_peft": [True],
        "lora_r": [128],
        "lora_alpha": [64],
        "lora_dropout": [0.05],
        "lora_target_modules": [["language-model"]],
        "learning_rate": [5e-6],
        "lr_scheduler_type": ["linear"],
        "warmup_steps": [0.1],
        "num_train_epochs": [5],
        "optim": ["adamw_torch"],
        "batch": [32],
        "eval_strategy": ["epoch"],
        "save_strategy": ["epoch"],
        "load_best_model_at_end": [True],
    },
    ("synpo", "code"): {
        "freeze": [["vision_tower", "projector"]],
        "synpo_alpha": [30.0],
        "synpo_beta": [0.2],
        "weight_decay": [0.01],
        "max_grad_norm": [0.0],
    },
}
