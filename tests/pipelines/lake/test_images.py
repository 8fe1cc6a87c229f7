from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipelines.lake import Damaged, Lake, MissingPicture
from pipelines.lake.decode import decode
from pipelines.lake.images import PictureStore, encode, picture_of, write_pack
from pipelines.runner import run_stage
from schemas.ids import picture_id
from tests.pipelines.toy import MAKE, call, paint


def pack(root: Path, name: str, images: list[Image.Image]) -> list[str]:
    (root / "images").mkdir(parents=True, exist_ok=True)
    found = [picture_of(image) for image in images]
    assert write_pack(root / "images" / f"pack-{name}.parquet", found) == len(images)
    return [picture.image_id for picture in found]


@given(size=st.tuples(st.integers(1, 9), st.integers(1, 9)), data=st.data())
def test_pixels_survive_encoding_and_name_the_picture(size: tuple[int, int], data: st.DataObject) -> None:
    count = 3 * size[0] * size[1]
    image = Image.frombytes("RGB", size, data.draw(st.binary(min_size=count, max_size=count)))
    again = decode(encode(image))
    assert again.tobytes() == image.tobytes()
    assert picture_id(again) == picture_id(image) == picture_of(encode(image)).image_id
    assert encode(image) == encode(again)


def test_each_picture_is_found_among_many_in_many_row_groups(tmp_path: Path) -> None:
    noise = [Image.effect_noise((300, 300), 90).convert("RGB") for _ in range(8)]
    ids = pack(tmp_path, "a", noise)
    store = PictureStore(tmp_path)
    for name, image in reversed(list(zip(ids, noise, strict=True))):
        assert store.image(name).tobytes() == image.tobytes()


def test_the_index_is_refreshed_on_a_miss(tmp_path: Path) -> None:
    (first,) = pack(tmp_path, "a", [paint(1)])
    store = PictureStore(tmp_path)
    assert store.image(first).getpixel((0, 0)) == (1, 0, 7)
    (second,) = pack(tmp_path, "b", [paint(2)])
    assert store.image(second).getpixel((0, 0)) == (2, 0, 7)


def test_a_missing_picture_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingPicture, match="picture 00ff is in no pack"):
        PictureStore(tmp_path).image("00ff")


def test_a_twin_serves_when_a_pack_is_gone(tmp_path: Path) -> None:
    (name,) = pack(tmp_path, "a", [paint(1)])
    pack(tmp_path, "b", [paint(1)])
    store = PictureStore(tmp_path)
    store.data(name)
    (tmp_path / "images" / "pack-a.parquet").unlink()
    assert decode(store.data(name)).getpixel((0, 0)) == (1, 0, 7)


def test_changed_bytes_are_damage(tmp_path: Path) -> None:
    (name,) = pack(tmp_path, "a", [paint(1)])
    path = tmp_path / "images" / "pack-a.parquet"
    content = path.read_bytes()
    start = content.index(b"\x89PNG") + 40
    path.write_bytes(content[:start] + bytes([content[start] ^ 255]) + content[start + 1 :])
    with pytest.raises(Damaged, match="not what was stored"):
        PictureStore(tmp_path).data(name)


def test_drawing_on_a_picture_harms_nobody(tmp_path: Path) -> None:
    (name,) = pack(tmp_path, "a", [paint(1)])
    store = PictureStore(tmp_path)
    store.image(name).putpixel((0, 0), (9, 9, 9))
    assert store.image(name).getpixel((0, 0)) == (1, 0, 7)


def test_a_finished_stage_holds_no_picture_in_memory(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    made = run_stage(lake, call(MAKE, count=4))
    assert not lake.pictures.held((made.key, 0))
