"""Draw puppets with OpenGL on EGL (Mesa's software driver is enough): identity and facial actions -> frames.

Letters: T frames, V vertices, H height, W width.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import MissingDependencyError, install_hint
from hicmae_cli.model_input import WINDOW_S
from hicmae_cli.puppets.actions import INDEX
from hicmae_cli.puppets.expression import Curves
from hicmae_cli.puppets.glasses import build_glasses
from hicmae_cli.puppets.head import HAIR, LASHES, LEFT_EYE, LOWER_TEETH, RIGHT_EYE, SKIN, TONGUE, UPPER_TEETH, load_head
from hicmae_cli.puppets.identity import Identity
from hicmae_cli.puppets.scene import FAR_M, NEAR_M, Scene, draw_scene
from hicmae_cli.puppets.world import FILM, World

FRAME_SIZE_PX = 224
# Where the head turns on the neck.
_PIVOT_M = (0.0, -0.11, -0.07)
_HAIR_KIND = {"bald": 0.0, "shaved": 1.0, "short": 2.0, "full": 3.0, "bun": 3.0, "bob": 4.0, "long": 4.0}
_HAIR_END_M = {"full": -0.01, "bun": 0.0, "bob": -0.09, "long": -0.3}
# Neighbouring pixels of a flat drawing with a line between them differ so much in depth.
_STEP_M = 0.014
_INK = 0.07
_SHADERS = Path(__file__).with_name("shaders")
Video = NDArray[np.uint8]


class Renderer:
    """Owns the OpenGL context; use it as a context manager, and draw many clips with one renderer.

    Args:
        size_px: side of the frames.
        world: how it draws.

    Raises:
        MissingDependencyError: moderngl is not installed, or EGL gives no context.
    """

    def __init__(self, size_px: int = FRAME_SIZE_PX, world: World = FILM) -> None:
        try:
            import moderngl
        except ImportError as e:
            raise MissingDependencyError(
                f"drawing puppets needs moderngl: install it with {install_hint('puppets')}"
            ) from e
        try:
            # moderngl's type hints do not have the argument `backend`.
            open_context: Any = moderngl.create_context
            self._gl: Any = open_context(standalone=True, backend="egl", require=330)
        # moderngl raises bare Exceptions.
        except Exception as e:
            raise MissingDependencyError(
                f"drawing puppets needs OpenGL 3.3 through EGL ({e}): on Debian `apt install libegl1 libgl1-mesa-dri`"
            ) from e
        self.size_px, self.world = size_px, world
        head = load_head()
        gl = self._gl
        style = "" if world.palette is None else "#define FLAT\n"
        # Skin; eyes, teeth and tongue; loose hair; lashes.
        self._programs = [self._compile("head", f"#define KIND {kind}\n{style}") for kind in range(4)]
        self._glasses_program = self._compile("glasses", style)
        self._backdrop_program = self._compile("backdrop")
        extra = np.stack([head.occlusion, head.part], 1).astype(np.float32)
        fixed = np.concatenate([head.mean, head.masks[:, :4], extra], 1).astype(np.float32)
        self._moving = gl.buffer(reserve=len(head.mean) * 24, dynamic=True)
        fixed_buffer = gl.buffer(fixed.tobytes())
        parts = head.part[head.triangles[:, 0]]
        inside = (LEFT_EYE, RIGHT_EYE, UPPER_TEETH, LOWER_TEETH, TONGUE)
        self._arrays = []
        for program, kinds in zip(self._programs, ((SKIN,), inside, (HAIR,), (LASHES,)), strict=True):
            chosen = head.triangles[np.isin(parts, kinds)]
            layout = [
                _describe_layout(program, self._moving, "3f", "in_position", "3f", "in_normal"),
                _describe_layout(program, fixed_buffer, "3f", "in_rest", "4f", "in_masks", "2f", "in_extra"),
            ]
            self._arrays.append(gl.vertex_array(program, layout, index_buffer=gl.buffer(chosen.tobytes())))
        corners = np.array([-1, -1, 1, -1, -1, 1, 1, 1], np.float32)
        self._backdrop = gl.vertex_array(self._backdrop_program, [(gl.buffer(corners.tobytes()), "2f", "in_corner")])
        shape = (size_px, size_px)
        # No multisampling: on the software driver it takes three times as long as all the rest.
        self._target = gl.framebuffer([gl.renderbuffer(shape, 3)], gl.depth_renderbuffer(shape))

    def _compile(self, name: str, defines: str = "") -> Any:
        sources = [(_SHADERS / f"{name}.{kind}").read_text() for kind in ("vert", "frag")]
        vertex, fragment = (f"#version 330\n{defines}{source}" for source in sources)
        return self._gl.program(vertex_shader=vertex, fragment_shader=fragment)

    def __enter__(self) -> Renderer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the context."""
        self._gl.release()

    def render_clip(
        self, identity: Identity, curves: Curves, rng: np.random.Generator, times_s: NDArray[np.floating] | None = None
    ) -> Video:
        """Render one clip of one person.

        Args:
            identity: a person of the renderer's world.
            curves: (T, 52) facial actions in 0..1.
            rng: draws the scene: camera, lights, background, head motion, blur, noise.
            times_s: (T,) times of the frames in seconds; evenly over 2.56 s by default.

        Returns:
            (T, H, W, 3) uint8 RGB.
        """
        if times_s is None:
            times_s = np.arange(len(curves)) * (WINDOW_S / max(len(curves), 1))
        scene = draw_scene(identity, np.asarray(times_s, np.float64), rng, self.size_px, self.world)
        head = load_head()
        positions = head.pose(identity.neutral, np.asarray(curves, np.float32))
        self._set_identity(identity)
        self._set_scene(scene)
        picture = self._gl.texture(
            (scene.background.shape[1], scene.background.shape[0]), 3, scene.background.tobytes()
        )
        frame_array, frame_buffers = self._load_glasses(identity)
        frames = np.empty((len(curves), self.size_px, self.size_px, 3), np.uint8)
        for t, place in enumerate(positions):
            self._draw_frame(identity, scene, place, curves[t], t, picture, frame_array)
            frames[t] = self._read_frame()
        picture.release()
        for thing in frame_buffers:
            thing.release()
        return _develop(frames, scene, rng)

    def _read_frame(self) -> NDArray[np.uint8]:
        """Read the frame (H, W, 3) that was drawn, with its outlines in a flat drawing."""
        side = self.size_px
        frame = np.frombuffer(self._target.read(components=3, alignment=1), np.uint8).reshape(side, side, 3)
        if self.world.palette is not None:
            # The attachment -1 is the depth.
            depth = np.frombuffer(self._target.read(components=1, attachment=-1, dtype="f4"), np.float32)
            frame = _add_outlines(frame, depth.reshape(side, side))
        return frame[::-1]

    def _set(self, name: str, value: Any) -> None:
        """Set a uniform in every program that uses it (the compiler drops unused ones)."""
        for program in (*self._programs, self._glasses_program):
            if name in program:
                if isinstance(value, np.ndarray):
                    program[name].write(value.astype(np.float32).tobytes())
                else:
                    program[name] = value

    def _set_identity(self, identity: Identity) -> None:
        for name, value in vars(identity.look).items():
            self._set(name, value)
        self._set("hair_kind", _HAIR_KIND[identity.hair_style])
        self._set("hair_end", _HAIR_END_M.get(identity.hair_style, 0.0) - 0.05 * identity.hair_length)
        self._set("tint", identity.glasses_colour)
        head = load_head()
        for name, part in (("eye_left", LEFT_EYE), ("eye_right", RIGHT_EYE)):
            low, high = head.mean[head.part == part].min(0), head.mean[head.part == part].max(0)
            self._set(name, (low + high) / 2)

    def _set_scene(self, scene: Scene) -> None:
        for name in ("light_to", "light_colour", "ambient_up", "ambient_down"):
            self._set(name, getattr(scene, name))
        self._set("key_to", scene.light_to[0])
        self._set("camera", scene.camera.T)
        self._set("pivot", _PIVOT_M)
        self._set("roughness", scene.roughness)

    def _load_glasses(self, identity: Identity) -> tuple[Any, list[Any]]:
        mesh = build_glasses(identity)
        if mesh is None:
            return None, []
        vertices, triangles = mesh
        buffers = [self._gl.buffer(vertices.tobytes()), self._gl.buffer(triangles.tobytes())]
        array = self._gl.vertex_array(
            self._glasses_program, [(buffers[0], "3f 3f", "in_position", "in_normal")], index_buffer=buffers[1]
        )
        return array, [array, *buffers]

    def _draw_frame(
        self,
        identity: Identity,
        scene: Scene,
        place: NDArray[np.float32],
        actions: NDArray[np.float32],
        t: int,
        picture: Any,
        glasses: Any,
    ) -> None:
        gl, head = self._gl, load_head()
        place = _shape_hair(place, identity)
        moving = np.concatenate([place, head.compute_normals(place)], 1, dtype=np.float32)
        self._moving.write(moving.tobytes())
        self._set("view", scene.views[t].T)
        self._set("head_turn", scene.head_turns[t].T)
        self._set("body_turn", scene.body_turns[t].T)
        self._set("crease", _measure_creases(actions, identity.look.wrinkles))
        self._target.use()
        self._target.clear(depth=1.0)
        gl.disable(gl.DEPTH_TEST | gl.CULL_FACE)
        picture.use(0)
        self._backdrop_program["shift"] = tuple(scene.backdrop_shifts[t])
        self._backdrop.render(gl.TRIANGLE_STRIP)
        gl.enable(gl.DEPTH_TEST)
        skin, inside, hair, lashes = self._arrays
        gl.enable(gl.CULL_FACE)
        skin.render()
        inside.render()
        gl.disable(gl.CULL_FACE)
        if identity.hair_style in _HAIR_END_M:
            hair.render()
        gl.enable(gl.BLEND)
        lashes.render()
        gl.disable(gl.BLEND)
        if glasses is not None:
            glasses.render()


def _describe_layout(program: Any, buffer: Any, *formats_and_names: str) -> tuple[Any, ...]:
    """Describe a buffer's layout for a program: attributes that the program does not use become padding."""
    formats, names = formats_and_names[::2], formats_and_names[1::2]
    layout = [f if n in program else f"{int(f[0]) * 4}x" for f, n in zip(formats, names, strict=True)]
    return (buffer, " ".join(layout), *(n for n in names if n in program))


def _shape_hair(place: NDArray[np.float32], identity: Identity) -> NDArray[np.float32]:
    """Make the loose hair fuller or flatter: scale it about the middle of the head."""
    hair = load_head().part == HAIR
    shaped = place.copy()
    middle = np.array([0.0, 0.0, -0.07], np.float32)
    out = place[hair] - middle
    shaped[hair] = middle + out * np.float32(1.0 + 0.10 * (identity.hair_volume - 0.3))
    return shaped


def _measure_creases(actions: NDArray[np.float32], wrinkles: float) -> tuple[float, float, float, float]:
    """Compute how deeply the actions fold the skin: forehead, between brows, beside eyes, nose to mouth."""

    def most(*names: str) -> float:
        return float(max(actions[INDEX[n]] for n in names))

    readiness = 0.45 + 0.55 * wrinkles
    up = most("browInnerUp", "browOuterUpLeft", "browOuterUpRight")
    down = most("browDownLeft", "browDownRight")
    beside = most("cheekSquintLeft", "cheekSquintRight", "mouthSmileLeft", "mouthSmileRight")
    fold = most("mouthSmileLeft", "mouthSmileRight", "noseSneerLeft", "noseSneerRight", "mouthUpperUpLeft")
    return (0.7 * readiness * up, 0.8 * readiness * down, 0.4 * readiness * beside, 0.6 * readiness * fold)


def _add_outlines(frame: NDArray[np.uint8], depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw dark lines where the distance from the camera jumps; depth (H, W) 0..1 is that of OpenGL."""
    away_m = 2 * FAR_M * NEAR_M / (FAR_M + NEAR_M - (2 * depth - 1) * (FAR_M - NEAR_M))
    brush = np.ones((3, 3), np.uint8)
    edge = (cv2.dilate(away_m, brush) - cv2.erode(away_m, brush) > _STEP_M).astype(np.float32)
    line = cv2.GaussianBlur(edge, (0, 0), 0.6)[..., None]
    return np.asarray(frame * (1 - line) + _INK * 255 * line).astype(np.uint8)


def _develop(frames: Video, scene: Scene, rng: np.random.Generator) -> Video:
    """Add what a camera adds: blur, exposure, colour cast, vignette and grain."""
    size = frames.shape[1]
    grid = np.linspace(-1, 1, size, dtype=np.float32)
    fall = 1 - scene.vignette * (grid[:, None] ** 2 + grid[None] ** 2) * 0.5
    gain = fall[..., None] * scene.cast.astype(np.float32) * 255
    ramp = (np.arange(256, dtype=np.float32) / 255) ** np.float32(scene.gamma)
    grain = rng.standard_normal((4, size + 32, size + 32), dtype=np.float32) * np.float32(scene.grain * 255)
    out = np.empty_like(frames)
    for t, frame in enumerate(frames):
        image = ramp[frame] * gain
        if scene.blur_px > 0.25:
            image = cv2.GaussianBlur(image, (0, 0), scene.blur_px)
        x, y = rng.integers(0, 32, 2)
        noise = grain[rng.integers(4), y : y + size, x : x + size]
        out[t] = np.clip(image + noise[..., None], 0, 255)
    return out
