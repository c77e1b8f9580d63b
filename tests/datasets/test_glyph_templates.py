"""The digits of matplotlib's fonts against FreeType's own bitmaps, and the file that keeps them."""
import matplotlib
import numpy as np
import pytest
from matplotlib import get_data_path
from matplotlib.ft2font import FT2Font
from scipy import ndimage

from gradnets.datasets import glyph_templates


def minor(version):
    return tuple(map(int, version.split(".")[:2]))


def test_the_file_holds_what_is_drawn_from_the_installed_fonts(monkeypatch, tmp_path, capsys):
    with np.load(glyph_templates.FILE) as kept:
        dots, version = kept["dots"], str(kept["matplotlib"])
    if minor(matplotlib.__version__) < minor(version):
        pytest.skip(f"matplotlib {matplotlib.__version__} is older than {version}, whose fonts the file holds")
    monkeypatch.setattr(glyph_templates, "FILE", tmp_path / "drawn.npz")
    glyph_templates.main()
    assert "210 digits" in capsys.readouterr().out
    with np.load(tmp_path / "drawn.npz") as drawn:
        assert drawn["dots"].dtype == dots.dtype == np.uint8
        assert np.array_equal(drawn["dots"], dots)


def test_templates_have_open_holes():
    holes = {4: 1, 6: 1, 8: 2, 9: 1, 0: 1}
    templates = glyph_templates.brightness()
    for font, digits in zip(glyph_templates.FONTS, templates, strict=True):
        for digit, template in enumerate(digits):
            components = ndimage.label(template < 128)[1]
            # The 4 of the italic text font is written open.
            expected = 0 if (font, digit) == ("cmti10", 4) else holes.get(digit, 0)
            assert components == 1 + expected, (font, digit)
    rim = np.ones(templates.shape[-2:], bool)
    rim[2:-2, 2:-2] = False
    assert templates[..., rim].max() == 0


def test_templates_match_another_rasterizer():
    """FreeType's own bitmap of the same digit, stretched to the same box, covers the same cells."""
    def cut(ink):
        rows, columns = np.nonzero(ink > 0.5)
        box = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        return ndimage.zoom(box, np.divide((60, 40), box.shape), order=1) > 0.5

    for font, digits in zip(glyph_templates.FONTS, glyph_templates.brightness(), strict=True):
        face = FT2Font(f"{get_data_path()}/fonts/ttf/{font}.ttf")
        face.set_size(64, 72)
        for digit, template in enumerate(digits):
            face.clear()
            face.set_text(str(digit))
            face.draw_glyphs_to_bitmap(antialiased=True)
            expected, drawn = cut(np.asarray(face.get_image()) / 255), cut(template / 400)
            assert (expected & drawn).sum() / (expected | drawn).sum() > 0.6, (font, digit)
