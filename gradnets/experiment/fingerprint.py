"""Fingerprints of a computation: a function, its fixed arguments, its code and the versions of the libraries.

A store keeps each result under the fingerprint of its function, so that no result of other code or of other arguments
is used again. Worker processes compare the code on their side with the code of the process that sends them work.
"""
import ast
import dataclasses
import functools
import hashlib
import importlib.util
import inspect
import json
import platform
from importlib import metadata
from pathlib import Path

import numpy as np

from gradnets.errors import UserError
from gradnets.experiment.encoding import short
from gradnets.experiment.records import PACKAGES
from gradnets.experiment.settings import ROOT


def key(function, modules=()):
    """Return the fingerprint of a function as 16 hexadecimal digits.

    Parameters
    ----------
    function : function at the top level of a module, or functools.partial of one
        The fingerprint depends on its name, the arguments that the partial fixes, and all that `code` returns. A file
        that the function reads has no influence: give what distinguishes such files, as a name, as an argument.
    modules : sequence of str
        Modules that the function imports by name while it runs.

    Raises
    ------
    UserError
        If a fixed argument is not a number, string, bool, None or array, or a list, tuple, dict or dataclass of such;
        or if a module cannot be found.
    """
    base, args, kwargs = parts(function)
    content = [f"{module_name(base)}.{base.__name__}", [_argument(value) for value in args], _argument(kwargs),
               code(function, modules)]
    return _hash(json.dumps(content, sort_keys=True).encode())


def code(function, modules=()):
    """Return what the results of a function depend on, besides its arguments.

    Returns
    -------
    dict
        {module: digest of its syntax tree}, without comments and layout, for the function's module, for `modules`, and
        for all modules that these import from the same folder or from this repository, directly or indirectly; and the
        versions of Python and of the libraries that compute. A package that loads its modules lazily counts with all
        modules of its folder, since its imports cannot be seen.
    """
    base = parts(function)[0]
    waiting = {module_name(base): Path(inspect.getfile(base)).resolve()} | files_of(modules)
    folders = {file.parents[name.count(".") + (file.name == "__init__.py")] for name, file in waiting.items()} | {ROOT}
    digests = {}
    while waiting:
        name, file = waiting.popitem()
        is_package = file.name == "__init__.py"
        digests[name], imports, is_lazy = _parse(file.read_bytes(), name if is_package else name.rpartition(".")[0])
        imported = {module: _file_of(module, folders) for module in imports}
        if is_package and is_lazy:
            imported |= {f"{name}.{path.stem}": path for path in file.parent.glob("*.py") if path != file}
        waiting |= {module: path for module, path in imported.items() if path and module not in digests}
    return dict(sorted(digests.items())) | {"python": platform.python_version()} | {
        name: metadata.version(name) for name in PACKAGES}


def check_code(expected):
    """Raise UserError if this process would compute with other code or libraries than expected, as `code` returns."""
    for name, value in expected.items():
        here = _here(name)
        if here != value:
            raise UserError(f"{name} on the worker {platform.node()} is {here}, here it is {value}: give the workers "
                            "the same code and libraries, and restart them")


def parts(function):
    """Return a function's base, and the positional and keyword arguments that functools.partial fixes."""
    args, kwargs = (), {}
    while isinstance(function, functools.partial):
        args, kwargs, function = function.args + args, function.keywords | kwargs, function.func
    return function, args, kwargs


def module_name(function):
    """Return the name of a function's module; a script has one name whether it is run or imported."""
    return function.__module__ if function.__module__ != "__main__" else Path(inspect.getfile(function)).stem


def files_of(modules):
    """Return {name: path} of the files that Python would import modules from, or raise UserError."""
    if not (isinstance(modules, tuple | list) and all(isinstance(name, str) for name in modules)):
        raise UserError(f"modules is {short(modules)}: expected several names, as in ('grad_network',)")
    files = {name: _spec_file(name) for name in modules}
    for name, file in files.items():
        if file is None:
            raise UserError(f"there is no module {name!r}: expected the name of a script or module that can be "
                            "imported here, such as 'grad_network'")
    return files


# ---- modules ----------------------------------------------------------------------------------------------

def _spec_file(name):
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).resolve() if spec and spec.origin and spec.origin.endswith(".py") else None


def _file_of(module, folders):
    """Return the file of an imported module if it lies in one of the folders, else None."""
    for folder in folders:
        stem = folder.joinpath(*module.split("."))
        for file in (stem.with_suffix(".py"), stem / "__init__.py"):
            if file.is_file() and "site-packages" not in file.parts:
                return file
    return None


@functools.lru_cache(maxsize=1000)
def _parse(source, package):
    """Return the digest of a module's syntax tree, the names that it may import, and whether it imports lazily."""
    tree = ast.parse(source)
    imports = frozenset(_imported(tree, package))
    return _hash(ast.dump(tree).encode()), imports, "lazy_loader" in imports


def _imported(tree, package):
    """Yield the names that may be modules, from all import statements of a syntax tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[:len(package.split(".")) - node.level + 1] if node.level else []
            stem = ".".join([*above, *([node.module] if node.module else [])])
            yield from (stem, *(f"{stem}.{alias.name}" for alias in node.names))


@functools.cache  # as it was when this process first compared it: a worker never loads a module again
def _here(name):
    if name == "python":
        return platform.python_version()
    if name in PACKAGES:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return "missing"
    file = _spec_file(name)
    return _parse(file.read_bytes(), "")[0] if file else "missing"


def _hash(content):
    return hashlib.sha256(content).hexdigest()[:16]


# ---- arguments --------------------------------------------------------------------------------------------

def _argument(value):
    """Return a fixed argument as JSON can hold it: an array by its dtype, shape and SHA-256."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return {"float": repr(value)} if isinstance(value, float) else value
    if isinstance(value, list | tuple):
        return [_argument(item) for item in value]
    if isinstance(value, dict):
        return {"dict": sorted(([_argument(name), _argument(item)] for name, item in value.items()), key=repr)}
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"array": [value.dtype.str, value.shape, digest]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {type(value).__qualname__: [[field.name, _argument(getattr(value, field.name))]
                                           for field in dataclasses.fields(value)]}
    raise UserError(f"an argument is {short(value)}, a {type(value).__name__}, which a store cannot compare: expected "
                    "numbers, strings, bools, None, arrays, or lists, tuples, dicts and dataclasses of such")
