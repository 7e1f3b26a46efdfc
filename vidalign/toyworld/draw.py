"""A scene as frames: flat colours, with edges smoothed over one pixel so that motion below a pixel shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidalign.toyworld.scene import FRAMES, RADIUS, SIDE, Scene

RGB = {
    "black": (16, 16, 16),
    "white": (240, 240, 240),
    "grey": (128, 128, 128),
    "pink": (255, 182, 203),
    "red": (220, 30, 30),
    "green": (30, 160, 50),
    "blue": (40, 70, 230),
    "yellow": (245, 220, 30),
    "purple": (140, 40, 170),
    "orange": (245, 130, 20),
}

_SQRT3 = 3.0**0.5


def draw(scene: Scene, *, frames: int = FRAMES, side: int = SIDE) -> NDArray[np.uint8]:
    """All frames of a scene, `[frames, side, side, 3]`, RGB."""
    # Pixel centres relative to the frame's middle, in sides; see `Shape` for why not from a corner.
    axis = (np.arange(side) + 0.5 - side / 2) / side
    x, y = axis[None, :], axis[:, None]
    pixels = np.empty((frames, side, side, 3))
    pixels[:] = RGB[scene.background]
    for step in range(frames):
        time = step / (frames - 1)
        for shape in scene.shapes:
            if not shape.visible(time):
                continue
            cx, cy = shape.centre(time)
            inside = np.clip(0.5 - side * _distance(shape.shape, x - cx, y - cy), 0.0, 1.0)[..., None]
            pixels[step] += inside * (np.array(RGB[shape.colour]) - pixels[step])
    return np.rint(pixels).astype(np.uint8)


def _distance(shape: str, dx: NDArray[np.float64], dy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signed distance to the edge (negative inside), in frame sides. The centre is the centre of mass.

    Exact near the edges, which is where the one-pixel smoothing reads it. Along either axis a shape reaches at most
    `RADIUS` from its centre.
    """
    if shape == "circle":
        return np.hypot(dx, dy) - RADIUS
    if shape == "square":
        return np.maximum(np.abs(dx), np.abs(dy)) - RADIUS * 0.85
    # An equilateral triangle, pointing up: its edges lie at half the circumradius from the centre of mass.
    slanted = (_SQRT3 * np.abs(dx) - dy) / 2
    return np.maximum(slanted, dy) - RADIUS * 0.5
