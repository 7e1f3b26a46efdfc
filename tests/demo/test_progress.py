"""What the terminal shows while the demo runs."""

import io

from demo.progress import Progress


def test_progress_shows_stage_time_and_outcome():
    stream = io.StringIO()
    progress = Progress(stream)
    progress.start("teach")
    progress.update(1, 10)  # too soon after the start to be worth a line
    progress.done("recall 0.5")
    assert stream.getvalue() == "[ 0:00] teach: ...\n[ 0:00] teach: recall 0.5\n"
    assert progress.seconds["teach"] >= 0
