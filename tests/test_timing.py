"""The shared timer: whose turn it is, what counts, and per how many calls."""
from gradnets import timing


def test_functions_run_in_turn_and_the_first_round_does_not_count(monkeypatch):
    clock, calls = [0.0], []

    def function(name, seconds):
        def run():
            calls.append(name)
            clock[0] += 100 if len(calls) <= 3 else seconds  # the first round is slow
        return run
    monkeypatch.setattr(timing.time, "process_time", lambda: clock[0])
    medians = timing.medians({"a": function("a", 4.0), "b": function("b", 1.0)}, rounds=3, repetitions={"b": 2})
    assert calls == ["a", "b", "b"] * 4
    assert medians == {"a": 4.0, "b": 1.0}
