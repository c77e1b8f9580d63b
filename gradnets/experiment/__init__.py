"""Run a script: its constants become flags, and what its main returns becomes a table, a PNG and a JSON.

    def main(settings):
        ...
        return experiment.Result(rows, names=("network",), finding="Hubs form on digits", figure=figure)

    if __name__ == "__main__":
        experiment.run(main)

The same call gives every script sweeps over a constant, many seeds, worker processes and a store of finished runs.
"""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules={"ensemble", "store"}, submod_attrs={
    "records": ["PACKAGES", "processor"],
    "result": ["Result", "result_of"],
    "script": ["run"],
    "settings": ["ROOT", "constants", "settings"],
})
