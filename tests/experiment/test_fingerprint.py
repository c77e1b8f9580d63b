"""Fingerprints: they change with the function, its arguments and its code, and with nothing else."""
import dataclasses
import functools
import importlib
import math
import platform
import sys
from importlib import metadata

import case_functions
import numpy as np
import pytest

from gradnets.errors import UserError
from gradnets.experiment import fingerprint


@dataclasses.dataclass
class Settings:
    steps: int


def with_value(value):
    return functools.partial(case_functions.returns, value=value)


def test_key_tells_functions_and_arguments_apart():
    values = [1, 1.0, True, "1", None, [1, 2], np.zeros(3), np.zeros((3, 1)), np.zeros(3, np.float32), {"a": 1},
              {"b": 1}, Settings(1), Settings(2), math.nan, -0.0, 0.0]
    keys = [fingerprint.key(with_value(value)) for value in values]
    keys += map(fingerprint.key, (case_functions.spectrum, case_functions.returns,
                                  functools.partial(case_functions.returns, 1)))
    assert len(set(keys)) == len(keys)
    assert fingerprint.key(functools.partial(with_value(2), value=1)) == keys[0]
    assert fingerprint.key(with_value(np.float64(1))) == keys[1]
    assert fingerprint.key(with_value((1, 2))) == keys[5]
    assert fingerprint.key(with_value({"a": 1, "b": 2})) == fingerprint.key(with_value({"b": 2, "a": 1}))
    for value in (object(), {1, 2}, np.array([object()]), len):
        with pytest.raises(UserError, match="which a store cannot compare"):
            fingerprint.key(with_value(value))


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes modules into a folder that Python imports from."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        importlib.invalidate_caches()
    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_code_counts_without_comments_and_layout_and_with_all_that_it_imports(write):
    write("part_of_helper.py", "TWO = 2\n")
    write("helper_of_function.py", "def two():\n    from part_of_helper import TWO\n    return TWO\n")
    write("a_function.py", "import helper_of_function\n\ndef f(seed):\n    return helper_of_function.two() * seed\n")
    import a_function
    keys = [fingerprint.key(a_function.f)]
    write("a_function.py", "import helper_of_function  # two\n\n\ndef f(seed):\n\n"
                           "    return helper_of_function.two()*seed\n")
    assert fingerprint.key(a_function.f) == keys[0]
    write("part_of_helper.py", "TWO = 3\n")
    keys.append(fingerprint.key(a_function.f))
    write("helper_of_function.py", "def two():\n    from part_of_helper import TWO\n    return TWO + 1\n")
    keys.append(fingerprint.key(a_function.f))
    write("a_function.py", "import helper_of_function\n\ndef f(seed):\n    return helper_of_function.two() + seed\n")
    keys.append(fingerprint.key(a_function.f))
    assert len(set(keys)) == 4


def test_a_package_that_loads_its_modules_lazily_counts_with_all_of_them(write):
    write("lazy_package/__init__.py", "import lazy_loader\n\n__getattr__, __dir__, __all__ = lazy_loader.attach(\n"
                                      "    __name__, submod_attrs={'measures': ['measure']})\n")
    write("lazy_package/measures.py", "import outside\n\ndef measure(x):\n    return outside.ONE + x\n")
    write("outside.py", "ONE = 1\n")
    write("plain_package/__init__.py", "")
    write("plain_package/unused.py", "ONE = 1\n")
    write("a_question.py", "import lazy_package\nimport plain_package\n\ndef f(seed):\n"
                           "    return lazy_package.measure(seed)\n")
    import a_question
    code, key = fingerprint.code(a_question.f), fingerprint.key(a_question.f)
    assert {"a_question", "lazy_package", "lazy_package.measures", "outside", "plain_package"} < code.keys()
    assert "plain_package.unused" not in code
    write("outside.py", "ONE = 2\n")
    assert fingerprint.key(a_question.f) != key


def test_code_of_modules_that_are_imported_by_name_counts(write):
    function = functools.partial(case_functions.reads_by_name, name="named_script")
    write("named_helper.py", "TWO = 2\n")
    write("named_script.py", "import named_helper\nTHREE = named_helper.TWO + 1\n")
    keys = [fingerprint.key(function), fingerprint.key(function, ["named_script"])]
    assert fingerprint.key(function, ["named_script", "named_helper"]) == keys[1]
    write("named_helper.py", "TWO = 4\n")
    keys.append(fingerprint.key(function, ["named_script"]))
    assert len(set(keys)) == 3


def test_this_repositorys_folders_and_the_libraries_are_in_the_code():
    code = fingerprint.code(case_functions.trained_network)
    assert {"case_functions", "mlp", "gradnets.datasets", "gradnets.networks", "gradnets.networks.metrics",
            "gradnets.streams", "gradnets.errors"} < code.keys()
    assert code["numba"] == metadata.version("numba")
    assert code["python"] == platform.python_version()
    assert not code.keys() & {"os", "pytest", "hypothesis"}


@pytest.mark.parametrize(("modules", "words"), [
    (("no_such_module",), "there is no module 'no_such_module'"), (("no.such",), "there is no module 'no.such'"),
    (("sys",), "there is no module 'sys'"), (("",), "there is no module ''"), ((3,), r"modules is \(3,\)"),
    ("named_script", "modules is 'named_script': expected several"), (None, "modules is None")])
def test_modules_that_are_not_there_are_refused(modules, words):
    with pytest.raises(UserError, match=words) as caught:
        fingerprint.key(case_functions.spectrum, modules)
    assert "\n" not in str(caught.value)


def test_other_code_or_libraries_in_a_worker_are_named(write):
    write("checked_module.py", "ONE = 1\n")
    code = fingerprint.code(case_functions.returns, ["checked_module"])
    fingerprint.check_code(code)
    for name, value, here in [("checked_module", "0123", code["checked_module"]), ("numpy", "1.0", code["numpy"]),
                              ("python", "2.7", code["python"]), ("no_such_module", "0123", "missing")]:
        with pytest.raises(UserError, match=f"^{name} on the worker .* is {here}, here it is {value}: .* restart them"):
            fingerprint.check_code(code | {name: value})
    write("checked_module.py", "ONE = 2\n")  # this process would not load it again
    fingerprint.check_code(code)
    with pytest.raises(UserError, match="checked_module on the worker"):
        fingerprint.check_code(fingerprint.code(case_functions.returns, ["checked_module"]))
