"""Recipes: what they say, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.augmentation.sound import augment_samples
from hicmae_cli.corpora.catalogue import DATASETS
from hicmae_cli.errors import SettingsError
from hicmae_cli.models.config import VARIANTS, Architecture, DecoderDims, ModelDims
from hicmae_cli.recipes.recipe import (
    available_profiles,
    available_recipes,
    load_settings,
    parse_overrides,
    read_recipe,
    summarise_recipe,
)
from hicmae_cli.recipes.settings import PHASES, FinetuneSettings, PretrainSettings
from hicmae_cli.recipes.shared_settings import Settings
from hicmae_cli.toml import parse_toml


def kind(recipe: str) -> type[Settings]:
    return PretrainSettings if recipe.startswith("pretrain-") else FinetuneSettings


@pytest.mark.parametrize("recipe", available_recipes())
def test_every_shipped_recipe_is_sound(recipe: str) -> None:
    """Every value of the file is in the settings, and says in its first line what it is."""
    settings = load_settings(kind(recipe), recipe)
    values = parse_toml(read_recipe(recipe))
    assert values
    values.pop("extends", None)
    for key, value in values.items():
        assert getattr(settings, key) == (tuple(value) if isinstance(value, list) else value)
    assert read_recipe(recipe).startswith(f"# {summarise_recipe(recipe)}\n")
    assert summarise_recipe(recipe).endswith(".")


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


@pytest.mark.parametrize("name", [name for name, dataset in DATASETS.items() if dataset.is_labelled])
def test_a_datasets_recipe_is_the_papers(name: str) -> None:
    dataset = DATASETS[name]
    recipe = load_settings(FinetuneSettings, dataset.recipe)
    assert (recipe.sampling, recipe.sampling_rate) == (dataset.sampling, dataset.sampling_rate)
    assert dataset.sampling == ("time" if dataset.own else "frames")
    if name == "puppets":
        return
    own = {"sampling", "sampling_rate", "batch_size", "epochs", "loss", "mixed_precision", "num_workers"}
    own |= {"modality"} if dataset.sound_only or dataset.pictures_only else set()
    unmixed = {"mixup", "cutmix", "label_smoothing"} if dataset.task == "regression" else set()
    assert recipe.model_dump(exclude=own | unmixed) == FinetuneSettings().model_dump(exclude=own | unmixed)
    assert all(getattr(recipe, key) == 0 for key in unmixed)
    classes = "cross_entropy" if dataset.labels else "auto"  # one's own data may be either
    losses = {"classification": classes, "multilabel": "auto", "regression": "mse"}
    assert recipe.loss == losses[dataset.task]


def test_the_default_on_a_gpu_is_the_default_with_larger_and_fewer_steps() -> None:
    from hicmae_cli.bench.device import finetuning_flops

    nano, tiny = (load_settings(FinetuneSettings, f"default-{name}") for name in ("nano", "tiny"))
    sizes = {"variant", "drop_path", "batch_size", "base_lr", "min_lr", "epochs", "epoch_clips", "person_cap"}
    sizes |= {"validate_every", "ema_decay", "num_workers", "cache_clips"}
    # On a GPU, one run trains encoders and fusion.
    sizes |= {"freeze", "attention_start", "source_shares"}
    assert tiny.model_dump(exclude=sizes) == nano.model_dump(exclude=sizes)
    assert (tiny.peak_lr, tiny.final_lr) == pytest.approx((nano.peak_lr, nano.final_lr))
    assert tiny.person_cap / tiny.epoch_clips == nano.person_cap / nano.epoch_clips
    steps = tiny.epochs * tiny.epoch_clips / tiny.batch_size
    assert tiny.ema_decay is not None and (1 - tiny.ema_decay) * steps == pytest.approx(8)
    # The arithmetic in the comment.
    flops, clips = finetuning_flops(tiny), tiny.epochs * tiny.epoch_clips
    for text in (f"{flops / 1e9:.1f} GFLOP", f"{flops * clips / 1e15:.2f} PFLOP", f"{steps:,.0f} steps"):
        assert text in read_recipe("default-tiny")
    assert f"{clips * 7.4e-3 / tiny.num_workers:.0f} s" in read_recipe("default-tiny")


def test_the_default_learns_its_encoders_first() -> None:
    encoders, faces, voices, fused = runs = [
        load_settings(FinetuneSettings, f"default-nano{part}") for part in ("-encoders", "-faces", "-voices", "")
    ]
    assert [each.dims.fusion_depth for each in runs] == [0, 0, 0, 2]
    assert [each.frozen for each in runs] == ["patches", "patches", "patches", "streams"]
    assert [each.modality for each in runs] == ["av", "video", "audio", "av"]
    assert encoders.pair_streams == faces.pair_streams == voices.pair_streams == 0 < fused.pair_streams
    draws = [each.epochs * each.epoch_clips for each in runs]
    assert f"{sum(draws):,}" in read_recipe("default-tiny")


def test_what_the_default_hears_is_what_its_functionals_were_measured_on() -> None:
    voices = load_settings(FinetuneSettings, "default-nano-voices")
    sound = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    still = voices.model_copy(update={"audio_gain_db": 0.0, "audio_shift_s": 0.0})
    for seed in range(8):
        heard = augment_samples(sound, still, np.random.default_rng(seed))
        assert np.abs(heard - sound).max() < 1e-4


@pytest.mark.parametrize(
    ("recipe", "batch_size", "epochs", "peak_lr"),
    [("crema-d", 56, 50, 2.1875e-4), ("mafw", 56, 100, 2.1875e-4), ("werewolf-xl", 64, 30, 2.5e-4)],
)
def test_the_authors_scripts(recipe: str, batch_size: int, epochs: int, peak_lr: float) -> None:
    settings = load_settings(FinetuneSettings, recipe)
    assert (settings.batch_size, settings.epochs) == (batch_size, epochs)
    assert settings.peak_lr == pytest.approx(peak_lr)


@pytest.mark.parametrize("name", [name for name, dataset in DATASETS.items() if dataset.pretrain_recipe])
def test_a_datasets_recipe_for_pretraining(name: str) -> None:
    assert load_settings(PretrainSettings, DATASETS[name].pretrain_recipe)


def test_a_recipe_extends_another(tmp_path: Path) -> None:
    base = load_settings(FinetuneSettings, "crema-d")
    (tmp_path / "longer.toml").write_text('extends = "crema-d"\nepochs = 70\n')
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "tiny.toml").write_text('extends = "../longer.toml"\nvariant = "tiny"\nseed = 3\n')
    settings = load_settings(FinetuneSettings, tmp_path / "small" / "tiny.toml", {"seed": 4})
    assert settings == base.model_copy(update={"epochs": 70, "variant": "tiny", "seed": 4})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ('extends = "crema-d"\nbach_size = 3\n', "bach_size .*batch_size"),
        ('extends = "pretrain-puppets-nano"\n', "this is a pre-training recipe; expected one for fine-tuning"),
        ('extends = "mars"\n', "no recipe named mars"),
        ('extends = "gone.toml"\n', r"gone\.toml: cannot read the recipe"),
        ("extends = 3\n", "extends: expected the name of a recipe or a .toml file, got 3"),
        ('extends = "other.toml"\n', r"other\.toml: extends itself|mine\.toml: extends itself"),
        ('extends = "../{folder}/mine.toml"\n', r"mine\.toml: extends itself"),
    ],
)
def test_a_recipe_that_extends_what_cannot_be(tmp_path: Path, values: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(values.replace("{folder}", tmp_path.name))
    (tmp_path / "other.toml").write_text('extends = "mine.toml"\n')
    with pytest.raises(SettingsError, match=said) as caught:
        load_settings(FinetuneSettings, tmp_path / "mine.toml")
    assert "\n" not in str(caught.value)


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


def test_the_last_layer_is_contrasted_by_its_place() -> None:
    for depth in (4, 6):
        settings = load_settings(
            PretrainSettings,
            "pretrain-puppets-nano",
            {"encoder_depth": depth, "skip_layers": (1,), "contrast_layers": (0, -1)},
        )
        assert settings.contrasted == (0, depth - 1)


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
    [
        ("bach_size", "batch_size"),
        ("video_mask_ration", "video_mask_ratio"),
        ("contrastive_weight", "contrast_weight"),
        ("learning_rate", "base_lr"),
        ("learning_rat", "base_lr"),
        ("lr", "base_lr"),
        ("workers", "num_workers"),
    ],
)
def test_an_unknown_key_suggests_its_neighbour(tmp_path: Path, wrong: str, near: str) -> None:
    recipe = tmp_path / "bad.toml"
    recipe.write_text(f"{wrong} = 1\n")
    with pytest.raises(SettingsError, match=rf"bad\.toml: {wrong} is not a recipe key; did you mean {near}\?$"):
        load_settings(PretrainSettings, recipe)


def test_a_key_like_no_other_points_to_the_list(tmp_path: Path) -> None:
    recipe = tmp_path / "bad.toml"
    recipe.write_text("zzz = 1\n")
    for phase, kind in PHASES.items():
        with pytest.raises(SettingsError, match=f"zzz is not a recipe key; `hicmae recipes --keys {phase}` lists"):
            load_settings(kind, recipe)


@pytest.mark.parametrize("recipe", available_recipes())
def test_a_recipe_of_the_other_phase_is_one_line(recipe: str) -> None:
    (other,) = set(PHASES.values()) - {kind(recipe)}
    with pytest.raises(SettingsError) as caught:
        load_settings(other, recipe)
    assert str(caught.value) == (
        f"recipe={recipe!r}: this is a {kind(recipe).phase} recipe; expected one for {other.phase}"
    )


def test_a_key_of_the_other_phase_is_named_as_such() -> None:
    with pytest.raises(SettingsError, match=r"contrast_centred is a key of pre-training recipes only$"):
        load_settings(FinetuneSettings, "puppets-nano", {"contrast_centred": True})
    with pytest.raises(SettingsError, match=r"mixup is a key of fine-tuning recipes only$"):
        load_settings(PretrainSettings, "pretrain-puppets-nano", {"mixup": 0.5})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"mix_audio": "no"}, 'mix_audio: expected true or false, got "no"'),
        ({"mix_audio": 0}, "mix_audio: expected true or false, got 0"),
        ({"flip": "yes"}, 'flip: expected a number, at least 0 and at most 1, got "yes"'),
        ({"flip": True}, "flip: expected a number, at least 0 and at most 1, got true"),
        ({"flip": 1.5}, "flip: expected a number, at least 0 and at most 1, got 1.5"),
        ({"epochs": 0}, "epochs: expected a whole number, at least 1, got 0"),
        ({"epochs": 2.5}, "epochs: expected a whole number, at least 1, got 2.5"),
        ({"epochs": "three"}, 'epochs: expected a whole number, at least 1, got "three"'),
        ({"patience": 0}, "patience: expected a whole number, at least 1, got 0"),
        ({"modality": "smell"}, 'modality: expected av, video or audio, got "smell"'),
        ({"variant": "huge"}, "variant: expected one of nano, tiny, small, base, got 'huge'"),
        ({"variant": 3}, "variant: expected nano, tiny, small or base, got 3"),
        ({"betas": [0.9]}, "betas: expected two numbers, at least 0 and below 1, got [0.9]"),
        ({"betas": [0.9, 1.0]}, "betas: expected two numbers, at least 0 and below 1, got [0.9, 1]"),
        ({"crop_area": 0.5}, "crop_area: expected two numbers, got 0.5"),
        ({"crop_area": ["0.5", 1.0]}, 'crop_area: expected two numbers, got ["0.5", 1]'),
        ({"base_lr": float("nan")}, "base_lr: expected a number, above 0, got nan"),
    ],
)
def test_a_wrong_value_is_told_in_our_words(values: dict[str, object], said: str) -> None:
    """No name of a class and no text of pydantic, and values are never converted in silence."""
    with pytest.raises(SettingsError) as caught:
        load_settings(FinetuneSettings, "puppets-nano", values)
    assert str(caught.value) == f"recipe puppets-nano: {said}"


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
        ({"video_mask": "dual"}, "video_mask, audio_mask: set both to dual, or neither"),
        ({"video_mask": "dual", "audio_mask": "dual", "audio_mask_ratio": 0.4}, "expected at least 0.5"),
        ({"video_mask_ratio": float("inf")}, "video_mask_ratio: "),
        ({"base_lr": float("inf")}, "base_lr: "),
        ({"betas": (1.5, 0.9)}, "betas: "),
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
    with pytest.raises(SettingsError, match=r"^overrides='epochs': expected key=value"):
        parse_overrides(["epochs"])


def test_each_hierarchical_part_can_be_switched_off() -> None:
    off = load_settings(
        PretrainSettings, "pretrain-voxceleb2-tiny", {"skip_connections": False, "contrast_weight": 0.0}
    )
    assert off.contrasted == ()
    assert load_settings(FinetuneSettings, "puppets-nano", {"layer_fusion": False}).layer_fusion is False


def test_a_profile_replaces_the_recipe_and_gives_way_to_overrides() -> None:
    recipe = load_settings(FinetuneSettings, "mafw")
    laptop = load_settings(FinetuneSettings, "mafw", {"epochs": 3}, profile="laptop")
    assert (laptop.variant, laptop.mixed_precision, laptop.epochs) == ("nano", "no", 3)
    assert laptop.drop_video_tokens > 0.5 and not laptop.mixes
    kept = {"loss", "modality", "class_weights", "selection", "validation_share", "sampling", "sampling_rate", "seed"}
    assert laptop.model_dump(include=kept) == recipe.model_dump(include=kept)
    with pytest.raises(SettingsError, match=r"profile='phone': expected laptop"):
        load_settings(FinetuneSettings, "mafw", profile="phone")


@pytest.mark.parametrize("recipe", available_recipes())
def test_every_profile_fits_every_recipe(recipe: str) -> None:
    for profile in available_profiles():
        dims = load_settings(kind(recipe), recipe, profile=profile).dims
        assert replace(dims, fusion_depth=2) == VARIANTS["nano"]


def test_defaults_are_for_keys_that_nothing_sets() -> None:
    own = {"sampling": "time"}
    assert load_settings(FinetuneSettings, "crema-d", defaults=own).sampling == "time"
    assert load_settings(FinetuneSettings, "crema-d", {"sampling": "frames"}, defaults=own).sampling == "frames"
    assert load_settings(FinetuneSettings, "own-data", defaults={"sampling": "frames"}).sampling == "time"


def test_no_recipe_needs_a_gpu() -> None:
    """They choose the precision by the device; the paper's fp16 is what they choose on a GPU."""
    for recipe in available_recipes():
        assert load_settings(kind(recipe), recipe).mixed_precision in ("auto", "bf16")
