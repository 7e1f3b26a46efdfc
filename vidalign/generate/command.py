"""`vidalign caption MODEL ROWS OUT`, and the same in each process of `accelerate launch -m vidalign.generate MODEL ROWS OUT`."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import Any

USAGE = "MODEL ROWS OUT [--prompt TEXT ...] [--n N --temperature T] [options]"
_SHOWN = 20


def add_parser(commands: Any) -> None:
    """Adds `caption` to the subparsers of the command line."""
    parser = commands.add_parser(
        "caption",
        help="a model's captions of videos, or its answers to several prompts",
        usage=f"vidalign caption {USAGE}",
        epilog="A run that was stopped goes on where it was when it is started again. On several GPUs: accelerate launch "
        "-m vidalign.generate with the same arguments.",
        allow_abbrev=False,
    )
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="a folder or a name on the Hub; an adapter brings its base"
    )
    parser.add_argument(
        "rows", metavar="ROWS", help="a .jsonl or .parquet file with videos, or a folder of videos"
    )
    parser.add_argument("output", metavar="OUT", help="the .jsonl file to write")
    parser.add_argument(
        "--prompt",
        action="append",
        default=[],
        metavar="TEXT",
        help="put to every video; may be repeated, and the video is read once (default: each row's prompt, or "
        "'Describe the video in detail.')",
    )
    numbers: tuple[tuple[str, type, Any, str, str], ...] = (
        ("n", int, 1, "N", "samples of each prompt"),
        ("temperature", float, 0.0, "T", "0 is greedy"),
        ("top-p", float, 1.0, "P", "of the tokens sampled from"),
        ("top-k", int, 0, "K", "of the tokens sampled from; 0: all"),
        ("max-new-tokens", int, 2048, "N", "of a caption; a longer one is cut"),
        ("seed", int, 0, "N", "of the samples"),
        ("batch-size", int, 8, "N", "videos at a time"),
        ("video-fps", float, None, "N", "frames a second (2 without --video-num-frames)"),
        ("video-num-frames", int, None, "N", "frames a video"),
        ("video-max-frames", int, None, "N", "most frames of a video"),
        ("video-max-pixels", int, None, "N", "most pixels of a frame"),
        ("video-total-tokens", int, None, "N", "most tokens of a video, as the model counts them"),
    )
    for name, kind, default, metavar, text in numbers:
        shown = "" if default is None else f" (default: {default})"
        parser.add_argument(f"--{name}", type=kind, default=default, metavar=metavar, help=text + shown)
    parser.add_argument(
        "--use-audio-in-video", action="store_true", help="the model hears each video's sound"
    )
    parser.add_argument(
        "--missing-audio",
        default="error",
        metavar="WHAT",
        help="of a silent file: error (default) or silence",
    )
    parser.add_argument("--logps", action="store_true", help="write each caption's log-prob as well")
    parser.add_argument(
        "--media-root", metavar="FOLDER", help="where relative paths start (default: the rows' folder)"
    )
    parser.add_argument(
        "--media-allow",
        action="append",
        default=[],
        metavar="FOLDER",
        help="a further folder that paths may lead into",
    )
    parser.add_argument(
        "--dtype", default="auto", metavar="NAME", help="e.g. bfloat16 (default: the checkpoint's)"
    )
    parser.add_argument(
        "--device", metavar="NAME", help="e.g. cuda, cpu (default: the first GPU, or the CPU)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace columns of rows that have captions already"
    )
    parser.add_argument(
        "--allow-missing", action="store_true", help="leave out the rows that have no caption"
    )
    parser.add_argument(
        "--restart", action="store_true", help="throw away what an earlier run left for this output"
    )


def run(args: argparse.Namespace) -> int:
    """The exit code: 0; 1: rows are missing; 2: the user has to mend it."""
    from vidalign.encoding import VideoSampling
    from vidalign.generate.caption import caption_rows, media_root_of
    from vidalign.generate.local import LocalModel
    from vidalign.generate.sample import Sampling
    from vidalign.rows import BadRows, MediaFolder
    from vidalign.stages import MissingRows, PipelineError
    from vidalign.stages.processes import Processes

    own = Processes.of_launch()
    try:
        sampling = Sampling(args.temperature, args.top_p, args.top_k, args.max_new_tokens, args.seed)
        fps = 2.0 if args.video_fps is None and args.video_num_frames is None else args.video_fps
        folder = MediaFolder(args.media_root or media_root_of(args.rows), tuple(args.media_allow))
        load = partial(
            LocalModel.load,
            args.model,
            dtype=args.dtype,
            device=args.device,
            logps=args.logps,
            batch_size=args.batch_size,
            folder=folder,
            sampling=VideoSampling(
                fps=fps,
                num_frames=args.video_num_frames,
                max_frames=args.video_max_frames,
                max_pixels=args.video_max_pixels,
                total_tokens=args.video_total_tokens,
                use_audio_in_video=args.use_audio_in_video,
                missing_audio=args.missing_audio,
            ),
        )
        done = caption_rows(
            load,
            args.rows,
            args.output,
            prompts=args.prompt,
            n=args.n,
            sampling=sampling,
            folder=folder,
            batch=args.batch_size,
            rank=own.rank,
            world_size=own.world_size,
            wait=own.wait,
            overwrite=args.overwrite,
            restart=args.restart,
            allow_missing=args.allow_missing,
            progress=True,
        )
    except MissingRows as error:
        return _say(error, 1)
    except (PipelineError, BadRows, ValueError, OSError) as error:
        return _say(error, 2)
    if done is not None:
        print(f"{done.rows} rows written to {args.output}")
        if done.media_root is not None:
            print(f"the videos lie outside its folder: train with --media_root {done.media_root}")
        for index, reason in list(done.missing.items())[:_SHOWN]:
            print(f"left out: row {index}: {reason}", file=sys.stderr)
    return 0


def _say(error: BaseException, code: int) -> int:
    print("\n".join([f"vidalign: {error}", *getattr(error, "__notes__", [])]), file=sys.stderr)
    return code
