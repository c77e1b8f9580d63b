"""Panels show the numbers they were given."""
import io

import matplotlib
import numpy as np
import pytest
from matplotlib.cbook import is_math_text

from gradnets import plots


def panel():
    _, panels = plots.figure([["one"]], 4, 3, "title", "caption")
    return panels["one"]


def test_ccdf_is_the_share_of_values_at_least_x():
    axes = panel()
    plots.draw_ccdf(axes, [np.array([0, 1, 1, 4]), np.array([0, 1, 1, 4])], "k", "degrees")
    x, y = axes.lines[0].get_data()
    assert x.tolist() == [1, 4]
    assert y.tolist() == [0.75, 0.25]
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_ccdf_of_a_small_and_a_large_side_shows_both_to_their_last_unit():
    axes = panel()
    plots.draw_ccdf(axes, [np.arange(1, 1001)], "k", "large side")
    plots.draw_ccdf(axes, [np.arange(1, 11)], "r", "small side")
    assert axes.get_ylim()[0] <= 0.001


def test_ccdf_band_spans_the_middle_of_the_draws():
    axes = panel()
    samples = [np.r_[np.full(k, 2.0), np.ones(100 - k)] for k in range(101)]
    plots.draw_ccdf(axes, samples, "k", "null", band=True)
    corners = axes.collections[0].get_paths()[0].vertices
    at_two = corners[corners[:, 0] == 2.0][:, 1]
    assert (at_two.min(), at_two.max()) == pytest.approx((0.05, 0.95))


def test_intervals_show_every_row_that_has_the_value():
    axes = panel()
    rows = [{"network": "without"}, {"network": "one number", "c": 0.5},
            {"network": "observed", "c": 0.2, "c_low": 0.1, "c_high": 0.3}]
    plots.draw_intervals(axes, rows, "c", "observed")
    assert [text.get_text() for text in axes.get_yticklabels()] == ["without", "one number", "observed"]
    drawn = [(*line.get_data(), line.get_color()) for line in axes.lines]
    assert ([0.1, 0.3], [2, 2]) in [(list(x), list(y)) for x, y, _ in drawn]
    dots = {(float(np.ravel(x)[0]), int(np.ravel(y)[0]), color) for x, y, color in drawn if np.size(x) == 1}
    assert dots == {(0.5, 1, plots.INK), (0.2, 2, plots.RED)}
    assert [list(x) for x, y, _ in drawn if list(y) == [0, 1]] == [[0.2, 0.2]]  # the observed value, from top to bottom


def test_the_observed_value_may_be_carried_by_ticks():
    axes = panel()
    plots.draw_intervals(axes, [{"network": "null", "c": 0.5}, {"network": "observed", "c": 0.2}], "c", "observed",
                         carry="ticks")
    assert [line.get_xydata().tolist() for line in axes.lines if line.get_marker() == "|"] == [[[0.2, 0], [0.2, 1]]]
    assert not [line for line in axes.lines if list(line.get_ydata()) == [0, 1] and line.get_marker() != "|"]


def test_intervals_without_an_observed_row_are_drawn_too():
    axes = panel()
    plots.draw_intervals(axes, [{"network": "null", "c": 0.5}, {"network": "observed"}], "c", "observed")
    assert [line.get_color() for line in axes.lines] == [plots.INK]


def test_a_band_lies_where_rows_have_an_interval():
    axes = panel()
    rows = [{"loss": 5.0}, {"loss": 3.0, "loss_low": 2.0, "loss_high": 4.0}, {"loss": 2.0, "loss_low": 1.0,
                                                                              "loss_high": 3.0}]
    plots.draw_band(axes, [0, 1, 2], rows, "loss", plots.RED)
    assert axes.lines[0].get_ydata().tolist() == [5, 3, 2]
    corners = axes.collections[0].get_paths()[0].vertices
    assert {tuple(corner) for corner in corners} >= {(1, 2), (1, 4), (2, 1), (2, 3)}
    assert corners[:, 0].min() == 1
    plots.draw_band(axes, [0], rows[:1], "loss", plots.RED)
    assert len(axes.collections) == 1


@pytest.mark.parametrize(("words", "expected"), [((1, "run"), "1 run"), ((0, "run"), "0 runs"),
                                                 ((1200, "run"), "1,200 runs"), ((1, "matrix", "matrices"), "1 matrix"),
                                                 ((2, "matrix", "matrices"), "2 matrices")])
def test_nouns_have_their_plural(words, expected):
    assert plots.counted(*words) == expected


def test_a_tail_is_the_share_of_values_that_are_at_least_x_root_mean_squares():
    values = np.random.default_rng(0).exponential(1e-200, 20_000)  # whose squares underflow
    x, shares = plots.tail_curve(np.r_[values, np.zeros(500)])
    unit = values / np.sqrt(np.mean((values / 1e-200)**2)) / 1e-200
    assert shares == pytest.approx([(unit >= least * (1 - 1e-12)).mean() for least in x])
    assert (x[0], x[-1]) == pytest.approx((unit.min(), unit.max()))
    middle = shares > 0.01
    assert shares[middle] == pytest.approx(np.exp(-np.sqrt(2) * x[middle]), rel=0.1)  # the line of `draw_tails`
    assert [len(part) for part in plots.tail_curve(np.zeros(5))] == [0, 0]


def test_tails_lie_beside_an_exponential_law_and_tell_how_far_they_go_on():
    axes = panel()
    plots.draw_tails(axes, [([0.0, 30.0], [1.0, 0.01], {}), ([0.0, 5.0], [1.0, 0.01], {})])
    *_, law = axes.lines
    assert law.get_ydata() == pytest.approx(np.exp(-np.sqrt(2) * np.array(law.get_xdata())))
    assert [text.get_text()[:5] for text in axes.texts] == ["to 30"]


@pytest.mark.parametrize("name", ["a", "50 %", "$x$", r"$\frac{$", r"\$$", "a_{b", "\udcff", "\x01", "中 é δ", "a\nb"])
def test_any_name_is_drawn_letter_by_letter(name, recwarn):
    figure, panels = plots.figure([["one"]], 4, 3, name, name)
    panels["one"].set_title(plots.drawable(name), loc="left")
    figure.savefig(io.BytesIO())
    assert list(recwarn) == []
    assert not is_math_text(panels["one"].get_title(loc="left"))


def test_names_without_a_glyph_stay_apart():
    assert plots.drawable("50 % of é") == "50 % of é"
    assert plots.drawable("\udcff 中") == r"\udcff \u4e2d"


def test_drawing_leaves_the_users_own_style_alone():
    before = {key: matplotlib.rcParams[key] for key in plots.STYLE}
    rows = [{"step": s, "loss": 1 / s, "training_accuracy": 0.5, "test_accuracy": 0.4} for s in (1, 2, 3)]
    figure = plots.learning_curve(rows, "title", "caption")
    assert figure.get_suptitle() == "title"
    assert {key: matplotlib.rcParams[key] for key in plots.STYLE} == before != plots.STYLE


def test_names_of_points_overlap_nothing_where_there_is_room():
    """Boxes are those of the renderer, which knows the letters."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    drawing, panels = plots.figure([["one"]], 9, 6, "title", "caption")
    axes, rng = panels["one"], np.random.default_rng(0)
    points = [(x, y, f"name {k}", plots.BLUE) for k, (x, y) in enumerate(rng.random((25, 2)))]
    axes.plot([x for x, *_ in points], [y for _, y, *_ in points], "o")
    line = [(x, 0.5) for x in np.linspace(0, 1, 80)]
    axes.margins(0.15)
    plots.label_points(axes, points, line)
    renderer = FigureCanvasAgg(drawing).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == [name for *_, name, _ in points]
    assert not any(box.overlaps(other) for k, box in enumerate(boxes) for other in boxes[:k])
    for x, y in [point[:2] for point in points] + line:
        assert not any(box.contains(*axes.transData.transform((x, y))) for box in boxes)
    far = [np.linalg.norm(text.xyann) > 80 for text in axes.texts]
    assert not any(far)


def test_names_without_room_stay_inside_the_panel():
    axes = panel()
    points = [(0.5, 0.5, f"a long name {k}", plots.RED) for k in range(40)]
    plots.label_points(axes, points)
    places = [np.array(text.xyann) for text in axes.texts]
    assert len(places) == 40
    middle, panel_size = axes.transData.transform((0.5, 0.5)), axes.get_window_extent()
    for place in places:
        assert panel_size.contains(*(middle + place * axes.figure.dpi / 72))
    plots.label_points(axes, [])
