"""Some reports at once, never more than allowed, and nothing new once time is up."""

import threading
import time
from collections import deque

from okr import running
from okr.rounds import DueSource
from okr.running import Clock, Ran


def sources(number: int) -> list[DueSource]:
    return [DueSource(f"key{index}", "00O000000000001AAA") for index in range(number)]


class Work:
    """Counts how many run at the same moment."""

    def __init__(self, seconds: float = 0.01) -> None:
        self.seconds, self.now, self.most, self.done = seconds, 0, 0, []
        self.lock = threading.Lock()

    def __call__(self, source: DueSource) -> Ran:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self.lock:
            self.now -= 1
            self.done.append(source.key)
        return Ran({}, 0.0)


def test_r_221_reports_run_some_at_once_and_never_more_than_allowed():
    work = Work()
    outcomes = list(running._do_parallel(work, deque(sources(20)), at_once=4, clock=Clock(10)))
    assert {source.key for source, _ in outcomes} == {each.key for each in sources(20)}
    assert 1 < work.most <= 4
    assert running.AT_ONCE <= 20  # Salesforce's own bound


def test_i_09_nothing_new_starts_when_time_is_up():
    work = Work(0.05)
    outcomes = list(running._do_parallel(work, deque(sources(50)), at_once=2, clock=Clock(0.12)))
    assert 2 <= len(outcomes) < 10
    assert list(running.do_all(work, sources(3), clock=Clock(-1))) == []


def test_i_10_stopping_early_starts_no_further_report():
    work = Work(0.03)
    answers = running._do_parallel(work, deque(sources(50)), at_once=2, clock=Clock(10))
    next(answers)
    answers.close()
    assert len(work.done) <= 4
