"""Recipes: what they say, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from hicmae_cli.corpora.catalogue import DATASETS
from hicmae_cli.errors import SettingsError
from hicmae_cli.models.config import VARIANTS, Architecture, DecoderDims, ModelDims
from hicmae_cli.training.recipes import available_recipes, load_settings, parse_overrides
from hicmae_cli.training.settings import FinetuneSettings, PretrainSettings


def kind(recipe: str) -> type[BaseModel]:
    return PretrainSettings if recipe.startswith("pretrain-") else FinetuneSettings


@pytest.mark.parametrize("recipe", available_recipes())
def test_every_shipped_recipe_is_sound(recipe: str) -> None:
    load_settings(kind(recipe), recipe)


@pytest.mark.parametrize("variant", ["tiny", "small", "base"])
def test_the_defaults_are_the_paper(variant: str) -> None:
    recipe = load_settings(PretrainSettings, f"pretrain-voxceleb2-{variant}")
    of_the_machine = {"num_workers", "checkpoint_every", "picture_every", "mixed_precision"}
    spelled_out = {"variant", "skip_layers"}
    defaults = PretrainSettings().model_dump(exclude=of_the_machine | spelled_out)
    assert recipe.model_dump(exclude=of_the_machine | spelled_out) == defaults
    assert recipe.variant == variant
    assert recipe.decoder.skip_layers == (3, 6, 9)
    assert recipe.peak_lr == pytest.approx(1.875e-4)
    assert recipe.final_lr == pytest.approx(6.25e-6)


@pytest.mark.parametrize("name", DATASETS)
def test_a_datasets_recipe_is_the_papers(name: str) -> None:
    dataset = DATASETS[name]
    recipe = load_settings(FinetuneSettings, dataset.recipe)
    assert recipe.sampling_rate == dataset.sampling_rate
    if name == "puppets":
        return
    own = {"sampling_rate", "batch_size", "epochs", "loss", "mixed_precision", "num_workers"}
    unmixed = {"mixup", "cutmix", "label_smoothing"} if dataset.task == "regression" else set()
    assert recipe.model_dump(exclude=own | unmixed) == FinetuneSettings().model_dump(exclude=own | unmixed)
    assert all(getattr(recipe, key) == 0 for key in unmixed)
    classes = "cross_entropy" if dataset.labels else "auto"  # one's own data may be either
    assert recipe.loss == ("mse" if dataset.task == "regression" else classes)


@pytest.mark.parametrize(
    ("recipe", "batch_size", "epochs", "peak_lr"),
    [("crema-d", 56, 50, 2.1875e-4), ("mafw", 56, 100, 2.1875e-4), ("werewolf-xl", 64, 30, 2.5e-4)],
)
def test_the_authors_scripts(recipe: str, batch_size: int, epochs: int, peak_lr: float) -> None:
    settings = load_settings(FinetuneSettings, recipe)
    assert (settings.batch_size, settings.epochs) == (batch_size, epochs)
    assert settings.peak_lr == pytest.approx(peak_lr)


def test_options_override_the_recipe() -> None:
    settings = load_settings(FinetuneSettings, "puppets-nano", {"epochs": 7, "batch_size": None})
    assert settings.epochs == 7
    assert settings.peak_lr == pytest.approx(settings.base_lr * settings.batch_size / 256)


def test_a_recipe_may_give_other_sizes_than_its_variant() -> None:
    sizes = {"encoder_width": 192, "encoder_heads": 3, "encoder_depth": 4, "fusion_depth": 1}
    assert load_settings(FinetuneSettings, "crema-d", {"variant": "tiny"}).dims == VARIANTS["tiny"]
    assert load_settings(FinetuneSettings, "crema-d", sizes).dims == ModelDims(192, 3, 4, 1)
    settings = load_settings(PretrainSettings, "pretrain-puppets-nano", {**sizes, "skip_layers": (1, 3)})
    expected = Architecture(
        ModelDims(192, 3, 4, 1), decoder=DecoderDims(64, 1, (1, 3)), skips=True, contrast_layers=(1, 3)
    )
    assert settings.architecture == expected


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    recipe = tmp_path / "bad.toml"
    recipe.write_text("epochs = 0\nlearning_rat = 1\nflip = 2.0\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(FinetuneSettings, recipe)
    for name in ("epochs", "learning_rat", "flip"):
        assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("bach_size", "batch_size"), ("video_mask_ration", "video_mask_ratio"), ("contrastive_weight", "contrast_weight")],
)
def test_an_unknown_key_is_told_its_neighbour(tmp_path: Path, wrong: str, near: str) -> None:
    recipe = tmp_path / "bad.toml"
    recipe.write_text(f"{wrong} = 1\n")
    with pytest.raises(SettingsError, match=f"{wrong} is not a key .* nearest is {near}"):
        load_settings(PretrainSettings, recipe)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"video_mask_ratio": 1.0}, "video_mask_ratio: .*hides 100 of 100"),
        ({"audio_mask_ratio": 0.001}, "audio_mask_ratio: .*hides 0 of 128"),
        ({"video_mask": "frame", "video_mask_ratio": 0.1}, "video_mask_ratio: .*hides 0 of 8"),
        ({"skip_layers": (1, 10)}, "skip layers 10 do not exist: the encoders have layers 0 to 9"),
        ({"skip_layers": ()}, "skip layers must rise"),
        ({"contrast_layers": (9, 12)}, "contrast layers 12 do not exist: the encoders have layers 0 to 9"),
        ({"decoder_width": 100, "decoder_heads": 3}, "width 100 cannot be split into 3 heads"),
        ({"video_mask": "dual"}, "dual is a choice for both streams"),
        ({"video_mask": "dual", "audio_mask": "dual", "audio_mask_ratio": 0.4}, "expected at least 0.5"),
        ({"video_mask_ratio": float("inf")}, "video_mask_ratio: "),
        ({"base_lr": float("inf")}, "base_lr: "),
        ({"betas": (1.5, 0.9)}, "betas.0: "),
        ({"crop_scales": (1.5,)}, "crop_scales: expected shares"),
        ({"variant": "huge"}, "variant: "),
        ({"encoder_heads": 7}, "width 256 cannot be split into 7 heads"),
        ({"encoder_depth": 3}, "skip layers 3, 6, 9 do not exist: the encoders have layers 0 to 2"),
    ],
)
def test_values_that_cannot_be_used_are_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings(PretrainSettings, "pretrain-voxceleb2-tiny", values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rand_augment": "randaug-7"}, "rand_augment: expected a text such as"),
        ({"crop_area": (0.5, 0.2)}, "crop_area: expected two rising shares"),
        ({"crop_area": (0.0, 1.0)}, "crop_area: expected two rising shares"),
        ({"mixup": 0.8}, "drop_video_tokens: must be 0 with mixup or cutmix"),
        ({"cutmix": 1.0}, "drop_video_tokens: must be 0 with mixup or cutmix"),
    ],
)
def test_augmentation_that_cannot_be_used_is_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings(FinetuneSettings, "puppets-nano", values)
    assert "\n" not in str(caught.value)


def test_mixing_is_on_only_where_there_is_something_to_mix() -> None:
    assert FinetuneSettings().mixes
    assert not FinetuneSettings(mixup=0, cutmix=0, drop_video_tokens=0.5).mixes
    assert not FinetuneSettings(mix_probability=0, drop_video_tokens=0.5).mixes


@pytest.mark.parametrize("content", ["not toml [", None])
def test_unreadable_recipes_are_refused(tmp_path: Path, content: str | None) -> None:
    recipe = tmp_path / "bad.toml"
    if content is not None:
        recipe.write_text(content)
    with pytest.raises(SettingsError, match=r"bad\.toml"):
        load_settings(FinetuneSettings, recipe)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="puppets-nano"):
        load_settings(FinetuneSettings, "no-such-recipe")


def test_overrides_are_read_as_toml_and_words_as_texts() -> None:
    pairs = ["epochs=3", "base_lr=1e-3", "video_mask=block", "skip_layers=[1, 3]", "compile=true"]
    assert parse_overrides(pairs) == {
        "epochs": 3,
        "base_lr": 1e-3,
        "video_mask": "block",
        "skip_layers": [1, 3],
        "compile": True,
    }
    with pytest.raises(SettingsError, match="expected key=value"):
        parse_overrides(["epochs"])


def test_each_hierarchical_part_can_be_switched_off() -> None:
    off = load_settings(
        PretrainSettings, "pretrain-voxceleb2-tiny", {"skip_connections": False, "contrast_weight": 0.0}
    )
    assert off.contrasted == ()
    assert load_settings(FinetuneSettings, "puppets-nano", {"layer_fusion": False}).layer_fusion is False
