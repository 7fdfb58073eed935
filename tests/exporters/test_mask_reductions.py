"""From volunteers' outlines to one mask: small cases worked out by hand, and what always holds."""

import itertools

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zooassist_exporters.mask_patch import EMPTY, Patch, Size, trimmed
from zooassist_exporters.rasterise import fill_rings, rasterise
from zooassist_exporters.reductions.masks import staple as module
from zooassist_exporters.reductions.masks.consensus import consensus
from zooassist_exporters.reductions.masks.contours import contours, outlined
from zooassist_exporters.reductions.masks.instances import (
    VolunteerObject,
    same_objects,
    split_objects,
)
from zooassist_exporters.reductions.masks.methods import METHODS, Quorum, method_named
from zooassist_exporters.reductions.masks.overlay import overlay
from zooassist_exporters.reductions.masks.staple import background_of, staple
from zooassist_exporters.reductions.masks.strokes import join_strokes
from zooassist_exporters.reductions.masks.volunteer import HOLE, Covered, Outline, covered
from zooassist_plugin.errors import BadInput
from zooassist_plugin.shapes import FreehandLine, Line, Polygon, Rectangle

SIZE = Size(8, 6)


def grid(text):
    """Read a mask: one line per row, # is set."""
    lines = text.split()
    return np.array([[cell == "#" for cell in line] for line in lines])


def of(*texts):
    return [Patch(0, 0, grid(text)) for text in texts]


def box(left, top, right, bottom):
    return Rectangle(
        x_center=(left + right) / 2,
        y_center=(top + bottom) / 2,
        width=right - left,
        height=bottom - top,
    )


def square(left, top, right, bottom):
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


MASKS = st.lists(
    arrays(bool, (5, 7), elements=st.booleans()).map(lambda cells: Patch(1, 2, cells)),
    min_size=1,
    max_size=5,
)
THREE = of("##..\n##..", ".##.\n.##.", ".#..\n....")


def decided(name, patches, k=None, size=SIZE):
    method, quorum = method_named(name, k)
    drawn = overlay(patches)
    return drawn.patch(method.decide(drawn, size, quorum).chosen)


class TestVotes:
    def test_by_hand(self):
        cases = {1: "###.\n###.", 2: ".#..\n.#..", 3: ".#..\n...."}
        for k, expected in cases.items():
            found = decided("vote-k", THREE, Quorum(count=k)).in_frame(Size(4, 2))
            assert np.array_equal(found, grid(expected)), k

    def test_majority_is_at_least_half_of_those_who_looked(self):
        expected = {3: ".#..\n.#..", 4: ".#..\n.#..", 5: ".#..\n...."}
        for volunteers, text in expected.items():
            seen = THREE + [EMPTY] * (volunteers - 3)
            assert np.array_equal(decided("majority", seen).in_frame(Size(4, 2)), grid(text))
        assert decided("majority", [*THREE, *[EMPTY] * 4]).area == 0

    def test_shares(self):
        assert [Quorum(share=0.5).needed(n) for n in (1, 2, 3, 7, 8)] == [1, 1, 2, 4, 4]
        assert Quorum.parse("30%").needed(10) == 3  # not 4, though 0.3 * 10 is above 3
        assert Quorum.parse("1").needed(9) == 1
        assert Quorum.parse("1.0").needed(9) == 9

    @pytest.mark.parametrize("text", ["0", "-1", "0.0", "1.5", "101%", "half", "", "nan."])
    def test_other_quorums_are_refused(self, text):
        with pytest.raises(BadInput, match=r"volunteer|share"):
            Quorum.parse(text)

    def test_methods_and_their_k(self):
        with pytest.raises(BadInput, match="needs k"):
            method_named("vote-k", None)
        with pytest.raises(BadInput, match="takes no k"):
            method_named("staple", Quorum(count=2))
        with pytest.raises(BadInput, match="expected one of majority, vote-k, cria"):
            method_named("mean", None)

    @given(MASKS)
    def test_more_votes_never_cover_more(self, patches):
        masks = [
            decided("vote-k", patches, Quorum(count=k)).in_frame(Size(20, 20))
            for k in range(1, len(patches) + 1)
        ]
        union = np.any([patch.in_frame(Size(20, 20)) for patch in patches], axis=0)
        assert np.array_equal(masks[0], union)
        for more, fewer in itertools.pairwise(masks):
            assert not (fewer & ~more).any()

    @pytest.mark.parametrize("volunteers", [1, 2, 30, 31, 32, 62, 63, 100])
    def test_overlay_remembers_every_volunteer(self, volunteers):
        """Also past the number of bits in a word."""
        size = Size(6, 5)
        cells = np.random.default_rng(volunteers).random((volunteers, 5, 6)) < 0.3
        drawn = overlay([Patch(0, 0, each) for each in cells])
        for volunteer, each in enumerate(cells):
            assert np.array_equal(drawn.patch(drawn.votes[:, volunteer]).in_frame(size), each)
        assert drawn.counts[0] == 0
        assert drawn.pixels.sum() == drawn.pattern.size


class TestCria:
    def test_strokes_in_any_order_and_direction_make_one_outline(self):
        a, b, c, d = square(1, 1, 5, 4)
        strokes = [[a, b], [d, c], [d, a], [c, b]]
        rings = join_strokes([np.array(stroke, float) for stroke in strokes])
        assert [len(ring) for ring in rings] == [8]
        found = covered(
            [Outline(FreehandLine(points=stroke), 1) for stroke in strokes], SIZE, join=True
        )
        assert np.array_equal(
            found.masks[1].in_frame(SIZE), rasterise(box(1, 1, 5, 4), SIZE).in_frame(SIZE)
        )

    def test_two_outlines_stay_apart(self):
        left, right = square(0, 0, 3, 3), square(5, 0, 8, 3)
        strokes = [left[:3], right[:3], [right[2], right[3], right[0]], [left[2], left[3], left[0]]]
        rings = join_strokes([np.array(stroke, float) for stroke in strokes])
        assert [sorted(set(ring[:, 0])) for ring in rings] == [[0, 3], [5, 8]]

    def test_nearest_ends_are_joined_first(self):
        """The gap of 1 closes before that of 2, which leaves the two far ends to each other."""
        one, other = np.array([(0.0, 0), (4, 0)]), np.array([(5.0, 0), (5, 2), (0, 2)])
        [ring] = join_strokes([one, other])
        assert ring.tolist() == [[0, 0], [4, 0], [5, 0], [5, 2], [0, 2]]

    def test_a_stroke_that_ends_where_it_began_is_an_outline_of_its_own(self):
        closed = np.array([*square(0, 0, 3, 3), (0, 0)], float)
        strokes = [closed, np.array([(4.0, 0), (6, 0)]), np.array([(6.0, 1), (4, 1)])]
        assert [len(ring) for ring in join_strokes(strokes)] == [5, 4]

    def test_an_outline_inside_another_is_a_hole(self):
        outlines = [
            Outline(FreehandLine(points=square(*at)), 1) for at in ((0, 0, 6, 6), (2, 2, 4, 4))
        ]
        joined = covered(outlines, SIZE, join=True).masks[1]
        assert joined.area == 36 - 4
        assert covered(outlines, SIZE).masks[1].area == 36

    def test_average_of_interiors_by_hand(self):
        """Three volunteers: the square, its left half in two strokes, nothing at all."""
        whole = covered([Outline(Polygon(points=square(0, 0, 4, 4)), 1)], SIZE, join=True)
        a, b, c, d = square(0, 0, 2, 4)
        half = [FreehandLine(points=[a, b, c]), Line(x1=c[0], y1=c[1], x2=d[0], y2=d[1])]
        part = covered([Outline(shape, 1) for shape in half], SIZE, join=True)
        method, quorum = method_named("cria", None)
        found = consensus([whole, part, Covered()], SIZE, [1], method, quorum)
        assert np.array_equal(found.labels == 1, rasterise(box(0, 0, 2, 4), SIZE).in_frame(SIZE))
        assert found.agreement[0].tolist() == [170, 170, 85, 85, 0, 0, 0, 0]
        two = consensus([whole, part], SIZE, [1], method, quorum)  # an average of 0.5 is enough
        assert np.array_equal(two.labels == 1, rasterise(box(0, 0, 4, 4), SIZE).in_frame(SIZE))

    def test_no_strokes_and_very_many(self):
        assert join_strokes([np.zeros((0, 2))]) == []
        many = [np.array([(i, 0.0), (i, 1.0)]) for i in range(1001)]
        assert len(join_strokes(many)) == 1001


class TestStaple:
    @given(MASKS.map(lambda patches: patches[0]), st.integers(1, 6))
    def test_identical_volunteers_are_believed(self, patch, volunteers):
        found = decided("staple", [patch] * volunteers, size=Size(20, 20))
        assert np.array_equal(found.in_frame(Size(20, 20)), patch.in_frame(Size(20, 20)))

    def test_by_hand(self, monkeypatch):
        """One round for two volunteers on four pixels, with the formulas of the paper.

        Votes 11, 10, 00, 00 and p = q = 0.9 give the odds (3/8)/(5/8) times 81, 1 and 1/81.
        """
        drawn = overlay(of("##..", "#..."))
        prior = 0.6
        expected = [prior * ratio / (1 + prior * ratio) for ratio in (81, 1, 1 / 81)]
        after = []
        for accuracy_of in ((1, 1), (1, 0)):  # what each volunteer says on the first two pixels
            w = np.array([*expected, expected[2]])
            vote = np.array([*accuracy_of, 0, 0])
            p = (w * vote).sum() / w.sum()
            q = ((1 - w) * (1 - vote)).sum() / (1 - w).sum()
            after.append((p, q))
        odds = np.full(4, prior)
        for (p, q), vote in zip(after, ((1, 1, 0, 0), (1, 0, 0, 0)), strict=True):
            odds *= [p / (1 - q) if v else (1 - p) / q for v in vote]
        second = odds / (1 + odds)
        monkeypatch.setattr(module, "MOST_ROUNDS", 2)
        found = staple(drawn, background=2, prior_weight=0)
        assert drawn.spread(found.probability)[0].tolist() == pytest.approx(second[:2], abs=1e-9)

    @pytest.mark.parametrize("seed", range(6))
    def test_without_prior_it_is_the_algorithm_of_2004(self, seed):
        """Against SimpleITK's implementation, which looks at the whole image."""
        rng = np.random.default_rng(seed)
        truth = np.zeros((24, 30), bool)
        truth[6:18, 8:21] = True
        masks = [truth ^ (rng.random(truth.shape) < noise) for noise in (0.05, 0.1, 0.1, 0.3)]
        images = [SimpleITK.GetImageFromArray(mask.astype(np.uint8)) for mask in masks]
        oracle = SimpleITK.STAPLEImageFilter()
        expected = SimpleITK.GetArrayFromImage(oracle.Execute(images))
        drawn = overlay([Patch(0, 0, mask) for mask in masks])
        size = Size(30, 24)
        found = staple(drawn, background_of(drawn, size, 1e9), prior_weight=0)
        probability = np.zeros(truth.shape)
        place = np.s_[drawn.box.top : drawn.box.bottom, drawn.box.left : drawn.box.right]
        probability[place] = drawn.spread(found.probability)
        assert found.converged
        drawn_anywhere = np.any(masks, axis=0)  # elsewhere ours is 0 by definition
        assert np.abs(probability - expected)[drawn_anywhere].max() < 1e-5
        assert found.sensitivity == pytest.approx(oracle.GetSensitivity(), abs=1e-5)
        assert found.specificity == pytest.approx(oracle.GetSpecificity(), abs=1e-5)

    def test_a_careless_volunteer_counts_less(self):
        """Two careful and three careless ones: the majority follows chance, STAPLE the careful."""
        rng = np.random.default_rng(5)
        truth = np.zeros((40, 40), bool)
        truth[10:30, 10:30] = True
        masks = [truth ^ (rng.random(truth.shape) < noise) for noise in (0.02, 0.02, 0.4, 0.4, 0.4)]
        patches = [Patch(0, 0, mask) for mask in masks]
        size = Size(40, 40)
        wrong = {
            name: (decided(name, patches, size=size).in_frame(size) ^ truth).sum()
            for name in ("majority", "staple")
        }
        assert wrong["staple"] < 0.6 * wrong["majority"]

    @given(MASKS)
    def test_always_finite_and_only_where_somebody_drew(self, patches):
        drawn = overlay([*patches, EMPTY])
        for weight in (0.0, 0.5):
            found = staple(drawn, 7, prior_weight=weight)
            for values in (found.probability, found.sensitivity, found.specificity):
                assert np.isfinite(values).all()
                assert ((values >= 0) & (values <= 1)).all()
            assert found.probability[0] == 0

    def test_nobody_drew(self):
        assert decided("staple", [EMPTY, EMPTY]).area == 0
        assert background_of(overlay([EMPTY]), SIZE) == 0

    def test_background_counts_as_far_as_it_is_as_large_as_what_was_drawn(self):
        drawn = overlay([rasterise(box(0, 2, 4, 4), SIZE), rasterise(box(2, 2, 6, 4), SIZE)])
        assert background_of(drawn, SIZE) == 12
        assert background_of(drawn, SIZE, 9.0) == 8 * 6 - 12

    def test_the_size_of_the_image_makes_no_difference(self):
        patches = THREE[:2]
        results = [decided("staple", patches, size=Size(*sides)) for sides in ((9, 9), (999, 999))]
        assert np.array_equal(results[0].cells, results[1].cells)


class TestObjects:
    def test_touching_objects_are_told_apart_by_the_marks(self):
        size = Size(12, 6)
        left, right = box(0, 0, 6, 6), box(6, 0, 12, 6)
        seen = [covered([Outline(left, 1), Outline(right, 1)], size) for _ in range(3)]
        method, quorum = method_named("majority", None)
        found = consensus(seen, size, [1], method, quorum)
        assert (found.labels == 1).all()
        assert found.instances[:, :6].tolist() == [[1] * 6] * 6
        assert found.instances[:, 6:].tolist() == [[2] * 6] * 6
        assert consensus(seen, size, [1], method, quorum, "pieces").instances.max() == 1

    def test_one_who_draws_two_as_one_does_not_join_them(self):
        size = Size(12, 6)
        left, right, both = box(0, 0, 6, 6), box(6, 0, 12, 6), box(0, 0, 12, 6)
        seen = [covered([Outline(left, 1), Outline(right, 1)], size) for _ in range(3)]
        seen.append(covered([Outline(both, 1)], size))
        method, quorum = method_named("majority", None)
        assert consensus(seen, size, [1], method, quorum).classes[0].objects == 2

    def test_marks_of_one_volunteer_are_never_one_object(self):
        patch = rasterise(box(0, 0, 4, 4), SIZE)
        drawn = [VolunteerObject(volunteer, patch) for volunteer in (0, 0, 1)]
        assert [len(group) for group in same_objects(drawn)] == [2, 1]

    def test_pieces_are_numbered_from_the_top_left_without_gaps(self):
        mask = grid("..#..#\n#.....\n#..##.")
        assert split_objects(mask, []).tolist() == [
            [0, 0, 1, 0, 0, 2],
            [3, 0, 0, 0, 0, 0],
            [3, 0, 0, 4, 4, 0],
        ]

    def test_what_no_object_claims_goes_to_the_nearest(self):
        mask = grid("##########")
        objects = [of("###......."), of("......####")]
        assert split_objects(mask, objects).tolist() == [[1] * 5 + [2] * 5]

    @given(arrays(bool, (7, 9), elements=st.booleans()), MASKS)
    def test_numbers_cover_the_mask(self, mask, patches):
        found = split_objects(mask, [[patch] for patch in patches])
        assert np.array_equal(found > 0, mask)
        assert sorted(set(found[mask])) == list(range(1, found.max() + 1))


class TestConsensus:
    def test_classes_compete_for_a_pixel(self):
        """Pixel by pixel the class with more volunteers wins, the smaller number when equal."""
        one, two = of("###...")[0], of(".####.")[0]
        seen = [Covered({1: one}), Covered({1: one, 2: two}), Covered({2: two}), Covered({2: two})]
        method, quorum = method_named("majority", None)
        found = consensus(seen, Size(6, 1), [1, 2], method, quorum)
        assert found.labels.tolist() == [[1, 2, 2, 2, 2, 0]]
        assert found.agreement.tolist() == [[128, 191, 191, 191, 191, 0]]
        even = consensus(seen[:3], Size(6, 1), [1, 2], method, quorum)
        assert even.labels.tolist() == [[1, 1, 1, 2, 2, 0]]

    def test_background_keeps_the_agreement_it_had(self):
        seen = [Covered({1: of("##..")[0]}), Covered(), Covered()]
        method, quorum = method_named("majority", None)
        found = consensus(seen, Size(4, 1), [1], method, quorum)
        assert not found.labels.any()
        assert found.agreement.tolist() == [[85, 85, 0, 0]]
        assert found.classes[0].drawn_by == 1

    def test_holes_are_cut_by_their_own_volunteer_only(self):
        ring = covered([Outline(box(0, 0, 6, 6), 1), Outline(box(2, 2, 4, 4), HOLE)], SIZE)
        full = covered([Outline(box(0, 0, 6, 6), 1)], SIZE)
        method, _ = method_named("vote-k", Quorum(count=2))
        found = consensus([ring, full], SIZE, [1], method, Quorum(count=2))
        assert found.classes[0].area == 36 - 4
        assert consensus([ring, full], SIZE, [1], method, Quorum(count=1)).classes[0].area == 36
        assert covered([Outline(box(2, 2, 4, 4), HOLE)], SIZE).masks == {}

    def test_marks_without_a_pixel_are_counted(self):
        outlines = [Outline(box(0, 0, 0.2, 0.2), 1), Outline(box(90, 90, 99, 99), 1)]
        found = covered(outlines, SIZE)
        assert (found.missed, found.masks) == (2, {})

    @pytest.mark.parametrize("name", sorted(METHODS))
    def test_nobody_saw_anything(self, name):
        method, quorum = method_named(name, Quorum(count=1) if name == "vote-k" else None)
        found = consensus([Covered(), Covered()], SIZE, [1], method, quorum)
        assert not found.labels.any()
        assert not found.instances.any()
        assert found.labels.shape == (6, 8)


class TestContours:
    def test_levels_by_hand(self):
        one, two = rasterise(box(0, 0, 6, 6), SIZE), rasterise(box(0, 0, 3, 6), SIZE)
        found = list(contours(overlay([one, two])))
        assert [(each.level, each.share) for each in found] == [(1, 0.5), (2, 1.0)]
        # The corners of pixels are cut at 45 degrees: an eighth of a pixel each.
        assert [each.region.area for each in found] == [36 - 0.5, 18 - 0.5]

    @given(arrays(bool, (6, 8), elements=st.booleans()))
    def test_filling_an_outline_gives_back_the_mask(self, mask):
        region = outlined(Patch(3, 2, mask))
        size = Size(20, 20)
        rings = []
        for polygon in getattr(region, "geoms", [region]):
            if not polygon.is_empty:
                rings += [polygon.exterior, *polygon.interiors]
        found = fill_rings([np.array(ring.coords)[:-1] for ring in rings], size)
        assert np.array_equal(found.in_frame(size), Patch(3, 2, mask).in_frame(size))


def test_trimmed():
    patch = Patch(2, 3, grid("....\n.##.\n.#.."))
    assert (trimmed(patch).box, trimmed(patch).area) == ((3, 4, 5, 6), 3)
    assert trimmed(Patch(2, 3, grid(".."))) is EMPTY
