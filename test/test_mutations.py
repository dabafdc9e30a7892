"""Each preset with its mechanism taken out: a test that says it holds the mechanism must fail."""

import ast
import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from wam_core import presets
from wam_core.errors import ContractError
from wam_core.presets import load_preset, preset_names

#: Preset -> the test that must fail, and what its parameter file says instead (dotted field -> value).
MUTATIONS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "alp_3d": (
        "test_alp_3d_remembers_what_left_the_picture",
        {"groups.future.sees": ["first_frame", "candidate", "future"]},
    ),
    "aim": (
        "test_aim_shows_the_action_the_future_through_the_map_alone",
        {"groups.action.sees": ["first_frame", "future", "value_map", "action"]},
    ),
    "audio_wm": (
        "test_audio_wm_acts_on_the_sound_to_come",
        {"groups.action.sees": ["first_frame", "heard", "action"]},
    ),
    "avdc": (
        "test_avdc_learns_from_videos_without_any_action",
        {
            "recovery": None,
            "experts.action": {"width": 128, "ffn": 512},
            "groups.action": {
                "substrate": "action", "span": "future", "source": "generated", "generator": "regression",
                "expert": "action", "sees": ["first_frame", "action"],
            },
        },
    ),
    "cosmos_policy": (
        "test_cosmos_policy_makes_chunk_picture_and_value_frames_of_one_model_and_takes_the_most_valuable",
        {"planner": None},
    ),
    "cot_vla": (
        "test_cot_vla_acts_on_the_picture_that_it_wrote",
        {"groups.action.sees": ["first_frame", "action"]},
    ),
    "dreamavoid": (
        "test_dreamavoid_dreams_only_where_it_is_critical_and_takes_the_best_dream",
        {"planner.when": ""},
    ),
    "dreamzero": (
        "test_what_is_denoised_at_one_level_is_learned_at_one_level",
        {"groups.action.schedule": "another"},
    ),
    "dust": (
        "test_dust_gives_vision_more_steps_and_lets_the_action_be_finished_first",
        {"groups.future.steps": 0},
    ),
    "fast_wam": (
        "test_only_what_an_action_needs_is_run",
        {"groups.action.sees": ["first_frame", "future", "action"]},
    ),
    "fast_wam_idm": (
        "test_only_what_an_action_needs_is_run",
        {"groups.action.sees": ["first_frame", "action"]},
    ),
    "fast_wam_joint": (
        "test_only_what_an_action_needs_is_run",
        {"groups.action.sees": ["first_frame", "action"]},
    ),
    "fast_wam_no_cotrain": (
        "test_without_co_training_no_weight_learns_from_the_future",
        {"groups.future.loss_weight": 1.0},
    ),
    "ffdc_wam": (
        "test_ffdc_wam_asks_for_a_new_chunk_when_its_future_does_not_come_true",
        {"trigger": None},
    ),
    "flare": (
        "test_flare_never_generates_the_future_for_an_action",
        {"groups.future_tokens.level": 0.5},
    ),
    "gigaworld_policy": (
        "test_gigaworld_policy_imagines_what_its_chunk_will_do_and_acts_without_it",
        {"groups.action.sees": ["first_frame", "future", "action"]},
    ),
    "gr1": (
        "test_gr1_reads_picture_and_action_off_what_was_seen_by_queries",
        {"groups.future.sees": ["memory", "first_frame", "future"]},
    ),
    "im2flow2act": (
        "test_im2flow2act_needs_no_picture_of_the_future",
        {"groups.action.sees": ["first_frame", "action"]},
    ),
    "lingbot_va": (
        "test_lingbot_va_learns_to_act_on_futures_that_are_not_clean",
        {"groups.plan.copy_noise": 0.0},
    ),
    "mimic_video": (
        "test_a_tapped_future_is_denoised_no_further_than_its_tap",
        {"groups.future_tap.source": "copy", "groups.future_tap.level": 0.0},
    ),
    "motus": (
        "test_motus_trains_the_action_expert_on_flow_that_needs_no_action",
        {"groups.latent_action.expert": "video"},
    ),
    "omni_vta": (
        "test_omni_vta_corrects_the_rest_of_a_chunk_at_every_step_by_what_it_feels",
        {"reflex": None},
    ),
    "pad": (
        "test_what_is_denoised_at_one_level_is_learned_at_one_level",
        {"groups.action.schedule": "another"},
    ),
    "palm": (
        "test_palm_gates_its_action_expert_by_progress",
        {"groups.action.gate": ""},
    ),
    "point_world": (
        "test_point_world_plans_over_rollouts_of_what_points_will_do",
        {"planner": None},
    ),
    "rigvid": (
        "test_rigvid_rejects_videos_that_do_not_bring_the_task_forward",
        {"planner.rise": 0.0},
    ),
    "tesseract": (
        "test_tesseract_reads_the_action_off_points_in_space_and_never_off_the_pictures",
        {"groups.cloud.lifted": False},
    ),
    "ud_vla": (
        "test_ud_vla_uncovers_picture_and_action_tokens_together",
        {"groups.future.generator": "clean_flow_matching", "groups.action.generator": "clean_flow_matching"},
    ),
    "unipi": (
        "test_unipi_reads_the_actions_off_a_finished_plan_and_carries_it_out",
        {"replan_steps": 8},
    ),
    "uva": (
        "test_uva_draws_the_chunk_without_its_video_head",
        {"groups.action.steps": 8},
    ),
    "uwm": (
        "test_uwm_learns_at_noise_levels_that_have_nothing_to_do_with_each_other",
        {"groups.future.schedule": "one", "groups.action.schedule": "one"},
    ),
    "vidar": (
        "test_vidar_reads_the_action_through_a_mask_that_it_learns_without_labels",
        {"groups.plan.masked": False},
    ),
    "vlp": (
        "test_vlp_proposes_parts_that_were_recorded_under_the_task",
        {"planner": None},
    ),
    "vpp": (
        "test_vpp_passes_the_video_model_once",
        {"groups.future_tap.level": 0.5},
    ),
    "worldvla": (
        "test_worldvla_hides_the_steps_of_a_chunk_from_each_other",
        {"groups.action.order": "together"},
    ),
    "x_wam": (
        "test_x_wam_learns_at_noise_levels_that_have_nothing_to_do_with_each_other",
        {"groups.future.schedule": "one", "groups.action.schedule": "one"},
    ),
}  # fmt: skip


def mutated(name: str, changes: Mapping[str, Any], folder: Path) -> Path:
    """The preset's parameter file with other values."""
    raw = yaml.safe_load(preset_names()[name].read_text())
    for dotted, value in changes.items():
        place = raw["/**"]["ros__parameters"]
        *path, last = dotted.split(".")
        for step in path:
            place = place[step]
        assert place.get(last) != value, f"{dotted} is {value!r} already"
        place[last] = value
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(raw, sort_keys=False))
    return file


def test_named(name: str) -> Callable[..., None]:
    """A test function of this folder."""
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        if any(isinstance(node, ast.FunctionDef) and node.name == name for node in ast.parse(file.read_text()).body):
            found: Callable[..., None] = getattr(importlib.import_module(file.stem), name)
            return found
    raise ContractError("held_by", name, "a test of this folder")


test_named.__test__ = False  # type: ignore[attr-defined]


def test_every_mechanism_is_taken_out_once() -> None:
    """A new preset came with a test of its mechanism that nobody had ever seen fail."""
    held = {name: load_preset(name).held_by for name in preset_names()}
    assert {name for name, tests in held.items() if tests} == set(MUTATIONS)
    assert {name for name in preset_names() if load_preset(name).system} <= set(MUTATIONS)
    for name, (test, _) in MUTATIONS.items():
        assert test in held[name], name


@pytest.mark.parametrize("name", [name for name in MUTATIONS if name in preset_names()])
def test_without_its_mechanism_the_preset_fails_its_test(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of a mechanism passed whether or not the mechanism was there."""
    test, changes = MUTATIONS[name]
    files = {**preset_names(), name: mutated(name, changes, tmp_path)}
    monkeypatch.setattr(presets, "preset_names", lambda: files)
    run = test_named(test)
    with pytest.MonkeyPatch.context() as inner:
        handed = {"name": name, "monkeypatch": inner}
        wanted = {n: handed[n] for n in inspect.signature(run).parameters}
        with pytest.raises((AssertionError, ContractError)):
            run(**wanted)
