"""Which model answers, and how it reads videos: the same options wherever a command samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from vidalign.generate.sample import LazySampler, Sampler
from vidalign.rows import MediaFolder

_OF_THIS_MACHINE = (
    "video_fps", "video_num_frames", "video_total_tokens", "use_audio_in_video", "logps", "device"
)  # fmt: skip
_OF_A_SERVER = ("server_sees", "server_key_env", "server_max_calls", "server_max_dollars")


@dataclass(frozen=True)
class ModelOptions:
    """How a model is asked, on this machine or on a server.

    Args:
        batch_size: videos at a time; on a server, requests under way at once.
        video_fps: frames a second; default 2 without video_num_frames.
        video_num_frames: frames of a video.
        video_max_frames: most frames of a video.
        video_max_pixels: most pixels of a frame.
        video_total_tokens: most tokens of a video, as the model counts them.
        use_audio_in_video: the model hears each video's sound.
        missing_audio: of a silent file, error or silence.
        logps: write each caption's log-prob as well.
        dtype: e.g. bfloat16; auto is the checkpoint's.
        device: e.g. cuda or cpu; default the first GPU, or the CPU.
        server: URL of an OpenAI-compatible server that has the model, up to and with /v1, or litellm for a provider that litellm
            knows. Videos are sent as files, or as video_max_frames frames (16) of at most video_max_pixels.
        server_sees: media that a model on a server takes, of video, image, audio; there may be several. Default what litellm says.
        server_key_env: environment variable that holds the server's key.
        server_max_calls: requests to the server, after which the run stops.
        server_max_dollars: spent there, after which the run stops.
    """

    batch_size: int = 8
    video_fps: float | None = None
    video_num_frames: int | None = None
    video_max_frames: int | None = None
    video_max_pixels: int | None = None
    video_total_tokens: int | None = None
    use_audio_in_video: bool = False
    missing_audio: str = "error"
    logps: bool = False
    dtype: str = "auto"
    device: str | None = None
    server: str | None = None
    server_sees: Sequence[str] = ()
    server_key_env: str | None = None
    server_max_calls: int | None = None
    server_max_dollars: float | None = None

    def sampler(self, model: str, folder: MediaFolder, n: int = 1) -> Sampler:
        """The model of that name. One on this machine is loaded when it is first asked.

        Args:
            model: a folder, or a name on the Hub; with `server` its name there.
            folder: where videos are.
            n: samples that are asked for at once.

        Raises:
            ValueError: options that cannot be, or that do not go together.
        """
        if self.server is not None:
            if given := [name for name in _OF_THIS_MACHINE if getattr(self, name)]:
                raise ValueError(f"{', '.join(given)}: of a model on this machine; leave it out with server")
            return self._served(model, folder, n)
        if given := [name for name in _OF_A_SERVER if getattr(self, name)]:
            raise ValueError(f"{', '.join(given)}: of a model on a server; give server as well")
        # Here, not above: a command line that only shows its help must not load torch.
        from vidalign.encoding import VideoSampling
        from vidalign.generate.local import LocalModel, settings_of, version_of

        videos = VideoSampling(
            fps=2.0 if self.video_fps is None and self.video_num_frames is None else self.video_fps,
            num_frames=self.video_num_frames,
            max_frames=self.video_max_frames,
            max_pixels=self.video_max_pixels,
            total_tokens=self.video_total_tokens,
            use_audio_in_video=self.use_audio_in_video,
            missing_audio=self.missing_audio,
        )
        load = partial(
            LocalModel.load,
            model,
            dtype=self.dtype,
            device=self.device,
            logps=self.logps,
            batch_size=self.batch_size,
            folder=folder,
            sampling=videos,
        )
        return LazySampler(settings_of(model, version_of(model), videos), load)

    def _served(self, model: str, folder: MediaFolder, n: int) -> Sampler:
        from vidalign.generate.served import ServedModel
        from vidalign.llm.client import LLMJudge

        settings: dict[str, Any] = {
            "api_base": None if self.server == "litellm" else self.server,
            "sees": tuple(self.server_sees) or None,
            "api_key_env": self.server_key_env,
            "max_calls": self.server_max_calls,
            "max_dollars": self.server_max_dollars,
            "max_frames": self.video_max_frames,
            "max_frame_pixels": self.video_max_pixels,
            "max_concurrency": self.batch_size * n,
        }
        given = {name: value for name, value in settings.items() if value is not None}
        try:
            return ServedModel(LLMJudge(model, **given), folder=folder)
        except ValueError as error:
            raise ValueError(f"server={self.server}: {error}") from None
