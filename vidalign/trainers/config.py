"""The settings that every video trainer adds to TRL's, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vidalign.encoding import VideoSampling
from vidalign.families.modules import PARTS
from vidalign.prefix.encoder import FEATURE_CACHE_GB
from vidalign.trainers._trl import TrainingConfig
from vidalign.trainers.look import ON_BAD

MISSING_AUDIO = ("error", "silence")
CHECKPOINTING = {
    "gradient_checkpointing": "activation_checkpointing",
    "gradient_checkpointing_kwargs": "activation_checkpointing_kwargs",
}
"""Names of settings in transformers 4 and 5."""


@dataclass
class VideoFields(TrainingConfig):
    """Mixed into TRL's configs, before them: `class SynPOConfig(VideoFields, DPOConfig)`."""

    # A video prompt is thousands of tokens long, and one that is cut has no video: no limit unless the user sets one.
    max_length: int | None = field(
        default=None,
        metadata={
            "help": "Longest row in tokens. Longer ones lose the end of their completion; a prompt that alone is longer "
            "stops training with its row, because truncation must not cut into media."
        },
    )
    video_fps: float | None = field(
        default=None,
        metadata={
            "help": "Frames to take per second of video. 2 if neither this nor `video_num_frames` is set."
        },
    )
    video_num_frames: int | None = field(
        default=None, metadata={"help": "Frames to take per video, uniformly. Not together with `video_fps`."}
    )
    video_max_frames: int | None = field(
        default=None, metadata={"help": "Most frames of a video, whatever its length."}
    )
    video_max_pixels: int | None = field(
        default=None,
        metadata={
            "help": "Most pixels of a frame, e.g. 401408 (512 * 28 * 28, of which Qwen2.5 makes 512 tokens for two frames). "
            "Default: the processor's, where no total is set either."
        },
    )
    video_total_pixels: int | None = field(
        default=None,
        metadata={
            "help": "Most pixels of a video, summed over all frames that are taken of it. Pixels are no tokens: where two "
            "frames make a token, 25600 * 28 * 28 pixels are 12800 tokens. To bound tokens, set `video_total_tokens`."
        },
    )
    video_total_tokens: int | None = field(
        default=None,
        metadata={
            "help": "Most tokens of a video as the model counts them, without those of its sound and of times written as "
            "text, e.g. 25600: its frames are shrunk alike until they fit. Only for models whose frames have any size (the "
            "Qwen families); with the others, bound the number of frames."
        },
    )
    use_audio_in_video: bool = field(
        default=False,
        metadata={
            "help": "Interleave each video's sound with its frames, by time. Only models that hear: Qwen2.5-Omni, "
            "Qwen3-Omni."
        },
    )
    missing_audio: str = field(
        default="error",
        metadata={
            "help": "A video without an audio track, where `use_audio_in_video` asks for one: 'error' stops before "
            "training with its row (`bad_media: skip` leaves the row out), 'silence' has it heard as silence of its own "
            "length."
        },
    )
    bad_media: str = field(
        default="error",
        metadata={
            "help": "A row with a media file that is missing, empty, cannot be opened, or lacks the sound that is asked "
            "for: 'error' stops before training with the first such rows, 'skip' leaves them out, in all processes alike, "
            "and logs how many and why. A stream's rows are looked at when they come. A file that opens and turns out "
            "damaged in its batch stops training with its row in either case."
        },
    )
    max_video_seconds: float | None = field(
        default=None, metadata={"help": "Longest video in seconds, by its video stream. Default: no limit."}
    )
    long_videos: str = field(
        default="error",
        metadata={
            "help": "A row with a video longer than `max_video_seconds`: 'error' stops before training with the first such "
            "rows, 'skip' leaves them out as `bad_media` does."
        },
    )
    media_root: str | None = field(
        default=None,
        metadata={
            "help": "Folder that relative media paths start from. Default: the current folder; a launched recipe takes "
            "the folder of its dataset file."
        },
    )
    media_allow: list[str] = field(
        default_factory=list,
        metadata={"help": "Folders outside `media_root` that media paths may lead into. Others are refused."},
    )
    media_cache_gb: float = field(
        default=0.0,
        metadata={
            "help": "Memory in GB, per data-loading process, for decoded and processed prompts, so that later epochs "
            "need not decode again. 0 keeps nothing."
        },
    )
    feature_cache_gb: float = field(
        default=FEATURE_CACHE_GB,
        metadata={
            "help": "Memory in GB, per process and on the model's device, for outputs of frozen towers that are asked for "
            "again: by the reference, by GRPO's scorings and steps, and on the CPU, where `media_cache_gb` holds prompts, by "
            "later epochs. Least recently used first out; what was dropped is computed again. 0 keeps nothing."
        },
    )
    freeze: list[str] = field(
        default_factory=list, metadata={"help": f"Parts that do not learn: any of {', '.join(PARTS)}."}
    )
    share_prefix: bool = field(
        default=True,
        metadata={
            "help": "Run media and prompt once for all responses to them. False runs every row by itself, for "
            "comparison; the result is the same."
        },
    )
    prefix_attention: str = field(
        default="sdpa",
        metadata={"help": "Attention over shared prefixes: 'sdpa', 'flex' (CUDA) or 'flash' (flash-attn)."},
    )
    prefix_self_check: bool = field(
        default=True,
        metadata={
            "help": "At the first step, compare a few tokens of one group with separate rows, stop if they differ, and say "
            "what it cost."
        },
    )
    recipe: str | None = field(
        default=None, metadata={"help": "Name of the recipe that this run follows, for the model card."}
    )

    def __post_init__(self) -> None:
        unknown = sorted(set(self.freeze) - set(PARTS))
        if unknown:
            raise ValueError(f"freeze={self.freeze}: {unknown} unknown; choose from {list(PARTS)}")
        if self.missing_audio not in MISSING_AUDIO:
            raise ValueError(
                f"missing_audio={self.missing_audio!r} unknown; choose from {list(MISSING_AUDIO)}"
            )
        for name in ("bad_media", "long_videos"):
            if getattr(self, name) not in ON_BAD:
                raise ValueError(f"{name}={getattr(self, name)!r} unknown; choose from {list(ON_BAD)}")
        if self.max_video_seconds is not None and not self.max_video_seconds > 0:
            raise ValueError(
                f"max_video_seconds={self.max_video_seconds}: give a number of seconds above 0, or none for no limit"
            )
        if self.video_fps is not None and self.video_num_frames is not None:
            raise ValueError(
                f"video_fps={self.video_fps} and video_num_frames={self.video_num_frames} contradict each other; set one"
            )
        if self.video_fps is None and self.video_num_frames is None:
            self.video_fps = 2.0
        # TRL's default sets names that transformers calls deprecated; here either name will do.
        for old, new in CHECKPOINTING.items():
            if getattr(self, new) is None:
                setattr(self, new, getattr(self, old))
        super().__post_init__()  # TRL's config follows in the MRO


def sampling_of(args: Any) -> VideoSampling:
    """How a config has videos read."""
    return VideoSampling(
        fps=args.video_fps,
        num_frames=args.video_num_frames,
        max_frames=args.video_max_frames,
        max_pixels=args.video_max_pixels,
        total_pixels=args.video_total_pixels,
        total_tokens=args.video_total_tokens,
        use_audio_in_video=args.use_audio_in_video,
        missing_audio=args.missing_audio,
    )
