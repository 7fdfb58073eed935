from __future__ import annotations

import numpy as np
import pytest

from zooassist_serving.outline import outline_ellipse


def disc(shape, centre, axes, angle, profile="flat", noise=2.0, sky=(12, 10, 14), colour=None):
    """An elliptical object; `angle` in degrees clockwise on the screen."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width] + 0.5
    turn = np.radians(angle)
    dx, dy = x - centre[0], y - centre[1]
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / axes[0]
    v = (-dx * np.sin(turn) + dy * np.cos(turn)) / axes[1]
    r = np.hypot(u, v)
    brightness = (r <= 1) * 1.0 if profile == "flat" else np.exp(-3 * r)
    colour = np.array(colour or (180, 150, 120)) - np.array(sky)
    image = np.array(sky) + brightness[..., None] * colour
    image = image + np.random.default_rng(0).normal(0, noise, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def turned_by(a, b):
    return abs((a - b + 90) % 180 - 90)


@pytest.mark.parametrize("angle", [-80, -45, -20, 0, 20, 45, 70, 90])
@pytest.mark.parametrize("axes", [(40, 15), (30, 20)])
def test_angle_axes_and_centre(angle, axes):
    found = outline_ellipse(disc((128, 160), (84, 60), axes, angle))
    assert turned_by(found.angle, angle) < 2
    assert found.ry / found.rx == pytest.approx(axes[1] / axes[0], rel=0.06)
    assert found.rx == pytest.approx(axes[0], rel=0.06)
    assert (found.x_center, found.y_center) == pytest.approx((84, 60), abs=0.5)


def test_clockwise_means_down_to_the_right():
    """A bright bar from the upper left to the lower right has a positive angle on the screen."""
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    for i in range(25, 75):
        image[i - 3 : i + 4, i - 3 : i + 4] = 200
    assert outline_ellipse(image).angle == pytest.approx(45, abs=2)


@pytest.mark.parametrize("angle", [-60, 30])
def test_fading_profile_keeps_ratio_and_angle(angle):
    found = outline_ellipse(disc((200, 200), (100, 100), (60, 24), angle, profile="fading"))
    assert turned_by(found.angle, angle) < 2
    assert found.ry / found.rx == pytest.approx(0.4, rel=0.08)
    assert 25 < found.rx < 75


def test_large_images_are_measured_in_natural_pixels():
    found = outline_ellipse(disc((1500, 2000), (1010, 740), (400, 200), 25, noise=10))
    assert (found.x_center, found.y_center) == pytest.approx((1010, 740), abs=6)
    assert found.rx == pytest.approx(400, rel=0.05)
    assert found.ry == pytest.approx(200, rel=0.05)
    assert turned_by(found.angle, 25) < 2


@pytest.mark.parametrize(
    ("sky", "colour"),
    [
        ((240, 240, 240), (90, 80, 100)),
        ((230, 190, 220), (90, 40, 140)),
        ((90, 90, 90), (90, 160, 20)),
    ],
    ids=["dark on bright", "stained cell", "another colour of equal brightness"],
)
def test_objects_that_are_not_bright(sky, colour):
    found = outline_ellipse(disc((120, 120), (62, 58), (30, 18), -35, sky=sky, colour=colour))
    assert turned_by(found.angle, -35) < 2
    assert (found.rx, found.ry) == pytest.approx((30, 18), rel=0.06)


def test_neighbours_are_left_out():
    image = disc((128, 128), (64, 64), (20, 12), 30)
    image[5:20, 100:120] = 255
    found = outline_ellipse(image)
    assert (found.x_center, found.y_center) == pytest.approx((64, 64), abs=0.5)
    assert found.rx == pytest.approx(20, rel=0.08)


def test_small_objects_stay_drawable():
    found = outline_ellipse(disc((64, 64), (32, 32), (3, 1.5), 0))
    assert found.rx > 5
    assert found.ry > 0


@pytest.mark.parametrize("level", [0, 128, 255])
def test_empty_image(level):
    assert outline_ellipse(np.full((64, 64, 3), level, dtype=np.uint8)) is None


def test_noise_alone():
    noise = np.random.default_rng(3).normal(60, 12, (128, 128, 3))
    assert outline_ellipse(np.clip(noise, 0, 255).astype(np.uint8)) is None


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (7, 7)])
def test_tiny_images(shape):
    assert outline_ellipse(np.zeros((*shape, 3), dtype=np.uint8)) is None


def test_object_in_a_corner_is_not_the_object():
    image = np.zeros((128, 128, 3), dtype=np.uint8)
    image[4:24, 4:24] = 220
    assert outline_ellipse(image) is None


def test_a_star_that_touches_the_galaxy_is_cut_off():
    galaxy = disc((200, 200), (100, 100), (60, 40), 20, profile="fading", noise=1)
    alone = outline_ellipse(galaxy)
    y, x = np.mgrid[0:200, 0:200]
    star = 230 * np.exp(-((x - 145) ** 2 + (y - 75) ** 2) / 2 / 4**2)
    touched = np.clip(galaxy + star[..., None], 0, 255).astype(np.uint8)
    found = outline_ellipse(touched)
    assert turned_by(found.angle, alone.angle) < 6
    assert found.rx == pytest.approx(alone.rx, rel=0.1)
    assert (found.x_center, found.y_center) == pytest.approx((100, 100), abs=3)


def test_two_equal_nuclei_stay_in_one_outline():
    """Neither is cut away whole as the other's neighbour."""
    y, x = np.mgrid[0:128, 0:128]
    nuclei = sum(np.exp(-((x - c) ** 2 + (y - 64) ** 2) / 2 / 7**2) for c in (55, 75))
    image = (10 + 200 * np.clip(nuclei, 0, 1))[..., None].repeat(3, axis=2).astype(np.uint8)
    found = outline_ellipse(image)
    assert turned_by(found.angle, 0) < 3
    assert found.x_center - found.rx < 50
    assert found.x_center + found.rx > 80


def test_uneven_light():
    y, x = np.mgrid[0:128, 0:160]
    slope = (0.5 * x + 0.3 * y)[..., None]
    image = np.clip(disc((128, 160), (80, 64), (30, 15), -25) + slope, 0, 255).astype(np.uint8)
    found = outline_ellipse(image)
    assert turned_by(found.angle, -25) < 2
    assert (found.rx, found.ry) == pytest.approx((30, 15), rel=0.08)
