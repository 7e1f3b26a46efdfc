"""Results -> one HTML page beside the clips that it plays."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes

from demo.chains import page as chains_page
from demo.pairs import page as pairs_page
from demo.results import Results
from vidalign.report import html
from vidalign.report.figures import BASE, figure


def write(results: Results, path: Path) -> None:
    """Write the page. Its clips' paths are relative to its folder; everything else is in the file itself."""
    path.write_text(render(results), encoding="utf-8")


def render(results: Results) -> str:
    sections = pairs_page.sections(results) if results.pairs is not None else []
    if results.chains is not None:
        sections += chains_page.sections(results)
    return html.page(
        "vidalign: the toy world",
        "Preferences in a toy world",
        "A captioner of 0.76 million parameters, a Qwen2.5-VL in small, learns to describe clips of moving "
        "shapes by supervised training. This checkpoint (SFT) is where every method below starts from, with the same "
        "data and the same number of steps in each comparison.",
        [*sections, html.section("How it was run", _details(results))],
    )


def _details(results: Results) -> str:
    settings = results.settings
    clips = ", ".join(f"{count} {name}" for name, count in settings["clips"].items())
    facts = {
        **{name.capitalize(): value for name, value in results.environment.items()},
        "Clips": f"{clips}; all different, 56 × 56 pixels, 16 frames at 8 fps",
        "Supervised stage": f"{settings['sft_steps']} steps of {settings['sft_batch_size']} clips, learning rate "
        f"{settings['sft_rate']:g}",
    }
    if results.pairs is not None:
        pairs = settings["pairs"]
        rates = ", ".join(f"{method} {runs[0].rate:g}" for method, runs in results.pairs.runs.items())
        facts["Pairs"] = (
            f"best and worst of {pairs['candidates']} samples at temperature {pairs['temperature']:g}, by F1 of keypoints; "
            f"{pairs['steps']} steps of {pairs['batch_size']} pairs a run, {settings['seeds']} seeds; learning rates {rates}"
        )
    if results.chains is not None:
        facts["Chains"] = chains_page.details(results, results.chains)
    facts |= {
        "All stages": "Muon for hidden matrices with AdamW for the rest, cosine, "
        f"{settings['threads']} thread a process, seed {settings['seed']}",
        "Duration": "; ".join(f"{name} {seconds:.0f} s" for name, seconds in results.seconds.items()),
    }
    return html.facts(facts) + html.charts([("The supervised stage", _teaching(results))])


def _teaching(results: Results) -> str:
    def draw(axes: Axes) -> None:
        log = results.base.log
        axes.plot([entry["step"] for entry in log], [entry["loss"] for entry in log], color=BASE)
        axes.set_xlabel("optimiser step")
        axes.set_ylabel("loss, nats a token")
        axes.set_ylim(bottom=0)

    return figure(draw)
