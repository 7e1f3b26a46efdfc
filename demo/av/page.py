"""The report as one HTML page."""

from __future__ import annotations

from html import escape
from pathlib import Path
from statistics import fmean

from demo.av import plots
from demo.av.results import Results
from demo.av.summary import summarise
from vidalign.report import html

LEAD = (
    "Clips of two seconds: shapes appear or disappear on a tone, and two voices speak in words of beeps. A captioner of a "
    "million parameters, the thinker of a Qwen2.5-Omni in small, hears each clip's sound among its frames and writes down what "
    "is seen, what is heard with it, and who says what. It learns in AVoCaDO's two stages: supervised training, and then GRPO "
    "with a reward for the dialogue (R_D), one for the keypoints that the caption states (R_C), and one for its length (R_L). "
    "Every arm starts from the same checkpoint and sees as many clips of the same set."
)


def write(results: Results, path: Path) -> None:
    """Write the page. Its clips' paths are relative to its folder; everything else is in the file itself."""
    path.write_text(render(results), encoding="utf-8")


def render(results: Results) -> str:
    summary = summarise(results)
    return html.page(
        "vidalign: the toy world with sound",
        "Rewards for what is seen and heard, in a toy world",
        LEAD,
        [
            html.section(summary.title, html.table(summary, plots.COLOURS) + html.listed(summary.sentences)),
            html.section("The rewards over training (the paper's Figure 7)", _curves(results)),
            html.section("On held-out clips", _bars(results)),
            html.section(
                "Clips and captions", _LEGEND + html.clips(results.examples, plots.COLOURS, sound=True)
            ),
            html.section("What this cannot show", html.listed(summary.caveats)),
            html.section("How it was run", _details(results)),
        ],
    )


def _curves(results: Results) -> str:
    note = (
        f"Mean over a step's samples, smoothed over {plots.SMOOTH} steps; band: the seeds' range. All three rewards are "
        "computed in every run, and an arm is trained on those that it is named after."
    )
    kinds = {
        "R_D: dialogue": ("rewards/dialogue_reward/mean", "reward"),
        "R_C: keypoints stated": ("rewards/checklist_reward/mean", "reward"),
        "R_L: length": ("rewards/length_reward/mean", "reward"),
        "Length of the samples": ("completions/mean_length", "tokens"),
        "Divergence from the checkpoint": ("kl", "nats a token"),
    }
    charts = [(title, plots.logged(results, *what)) for title, what in kinds.items()]
    return f'<p class="notes">{escape(note)}</p>' + html.charts(charts)


def _bars(results: Results) -> str:
    return html.charts(
        [
            (
                "Dialogue F1; filled: greedy, hollow: sampled; a dot is a seed",
                plots.by_arm(results, "dialogue F1", "R_D, clips with speech"),
            ),
            ("Recall of keypoints", plots.by_arm(results, "recall", "R_C")),
            ("Repetition collapse", plots.by_arm(results, "collapse", "% of captions", 100.0)),
            ("Length", plots.by_arm(results, "length", "tokens")),
        ]
    )


_LEGEND = (
    '<p class="notes">The first clips of the test split, not a selection, with their sound; greedy captions of each arm\'s first seed. '
    '<span class="right">Right</span>, <span class="wrong">wrong</span>: a line counts with its voice and in its place.</p>'
)


def _details(results: Results) -> str:
    settings = results.settings
    clips = ", ".join(f"{count} {name}" for name, count in settings["clips"].items())
    facts = {
        **{name.capitalize(): value for name, value in results.environment.items()},
        "Clips": f"{clips}; 56 × 56 pixels, 16 frames at 8 fps, sound at 16 kHz; 16 video tokens and 51 audio tokens each",
        "Supervised stage": f"{settings['sft_steps']} steps of {settings['sft_batch_size']} clips, learning rate "
        f"{settings['sft_rate']:g}, everything learns",
        "GRPO": f"{settings['steps']} steps of {settings['prompts']} clips with {settings['group']} samples each at temperature "
        f"{settings['temperature']:g}, from {settings['shared']} of the clips of the supervised stage, learning rate "
        f"{settings['rate']:g}, β {settings['beta']:g}, both towers frozen",
        "R_L": f"full below {settings['soft_limit']} tokens, nothing from {settings['hard_limit']}, where samples are cut",
        "Continued supervised training": f"{settings['steps']} steps of {settings['prompts']} of the same clips, the same "
        "learning rate, both towers frozen",
        "All stages": "Muon for hidden matrices with AdamW for the rest, cosine, "
        f"{settings['threads']} thread a process, {settings['workers']} runs at a time, seed {settings['seed']}",
        "Seconds a step": ", ".join(
            f"{title} {fmean(run.step_seconds for run in runs):.2f}"
            for title, runs in {"SFT": [results.base], **results.runs}.items()
        )
        + "; medians, of GRPO with sampling and judging",
        "Duration": "; ".join(f"{name} {seconds:.0f} s" for name, seconds in results.seconds.items()),
    }
    return html.facts(facts) + html.charts([("The supervised stage", plots.teaching(results))])
