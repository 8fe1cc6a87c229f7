from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainers.conftest import Classroom
from trainers.images_matter import AllAlike, PicturesIgnored, exchange, image_effect
from trainers.policy import load, save
from trainers.sft import Parameters, train_sft

grids = st.lists(st.sampled_from([(1, 2, 2), (1, 2, 4), (1, 4, 4)]), min_size=1, max_size=8)


@given(grids, st.integers(1, 3))
def test_exchange_gives_each_picture_s_place_to_another_of_its_size_where_there_is_one(
    sizes: list[tuple[int, int, int]], kinds: int
) -> None:
    blocks = [torch.full((t * h * w, 3), float(index % kinds)) for index, (t, h, w) in enumerate(sizes)]
    grid = torch.tensor(sizes)
    swapped, moved = exchange(torch.cat(blocks), grid)
    after = torch.split(swapped, grid.prod(dim=-1).tolist())
    shows = [float(block[0, 0]) for block in blocks]
    now = [float(block[0, 0]) for block in after]
    assert [block.shape for block in blocks] == [block.shape for block in after]
    assert sum(one != other for one, other in zip(shows, now, strict=True)) == moved
    for index, size in enumerate(sizes):
        alike = [shows[other] for other in range(len(sizes)) if sizes[other] == size and shows[other] != shows[index]]
        others = alike or [shown for shown in shows if shown != shows[index]] or [shows[index]]
        assert now[index] in others


def inputs() -> dict[str, Any]:
    return {"pixel_values": torch.eye(4)[[0, 0, 1, 1]], "image_grid_thw": torch.tensor([[1, 1, 2], [1, 1, 2]])}


def test_effect_is_measured_and_its_absence_refused() -> None:
    def sees(batch: Mapping[str, Any]) -> torch.Tensor:
        return batch["pixel_values"].float() @ torch.arange(4.0)

    effect = image_effect(sees, inputs())
    assert (effect.pictures, effect.exchanged, effect.change) == (2, 2, 1.0)
    assert effect.as_json()["change"] == 1.0
    with pytest.raises(PicturesIgnored, match="does not see its pictures"):
        image_effect(lambda batch: torch.zeros(3), inputs())
    with pytest.raises(PicturesIgnored, match="without any picture"):
        image_effect(sees, {"input_ids": torch.zeros(2, 3)})
    alike = inputs() | {"pixel_values": torch.ones(4, 4)}
    with pytest.raises(AllAlike, match="pictures are alike"):
        image_effect(sees, alike)


def test_training_refuses_a_model_whose_pixel_path_is_dead(policy: Path, room: Classroom, tmp_path: Path) -> None:
    model, _ = load(policy)
    with torch.no_grad():
        for merger in (model.model.visual.merger, *model.model.visual.deepstack_merger_list):
            merger.linear_fc2.weight.zero_()
            merger.linear_fc2.bias.zero_()
    save(model, policy, tmp_path / "blind")
    with pytest.raises(PicturesIgnored):
        train_sft(room.lessons, tmp_path / "blind", tmp_path / "out", Parameters(steps=1, batch=4), room.load, tmp_path)
    assert not (tmp_path / "out").exists()
