"""Threads that wait for one another in a circle are told so; others wait."""

import gc
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from multiprocessing.pool import ThreadPool

import pytest
import torch
from joblib import Parallel, delayed

from skal_deep.modules import _turns, isolated_rng
from skal_deep.modules._rng import one_thread_at_a_time

CIRCLE = "waits for it"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(_turns, "_BETWEEN_LOOKS", 0.01)


def member(seed=0):
    with isolated_rng(seed):
        return float(torch.rand(1))


def pool_map():
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(member, range(2)))


def pool_submit():
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.submit(member), threads.submit(member)
        return second.result(), first.result()


def pool_as_completed():
    with ThreadPoolExecutor(2) as threads:
        todo = {threads.submit(member): at for at in range(3)}
        return [each.result() for each in as_completed(todo)]


def pool_wait():
    with ThreadPoolExecutor(1) as threads:
        done, _ = wait([threads.submit(member) for _ in range(2)])
        return [each.result() for each in done]


def pool_exit():
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(member)
    return future.result()


def locked_member():
    with one_thread_at_a_time():
        return 1


def pool_of_flags():
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(locked_member).result()


def own_thread():
    caught = []

    def work():
        try:
            member()
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    for error in caught:
        raise error


def thread_pool_map():
    with ThreadPool(2) as threads:
        return threads.map(member, range(2))


def thread_pool_get():
    with ThreadPool(1) as threads:
        return threads.apply_async(member).get()


def joblib_threads():
    return Parallel(2, backend="threading")(delayed(member)(at) for at in range(2))


def member_of_a_member():
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(pool_map).result()


WAYS = [
    pool_map,
    pool_submit,
    pool_as_completed,
    pool_wait,
    pool_exit,
    pool_of_flags,
    own_thread,
    thread_pool_map,
    thread_pool_get,
    joblib_threads,
    member_of_a_member,
]


def ends(function):
    """Return what a function returns or raises, and fail if it hangs."""
    found = []

    def run():
        try:
            found.append(function())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert found, "threads wait for each other"
    return found[0]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("block", [isolated_rng, one_thread_at_a_time])
def test_threads_that_wait_for_one_another_are_told(way, block):
    def inside():
        with block():
            return way()

    error = ends(inside)
    assert isinstance(error, RuntimeError)
    assert CIRCLE in str(error)
    assert ends(member) == member()  # nobody keeps the lock


@pytest.mark.parametrize("way", WAYS)
def test_outside_of_a_block_they_only_wait_for_their_turn(way):
    assert not isinstance(ends(way), Exception)


def test_a_pool_that_is_older_than_the_block():
    with ThreadPoolExecutor(1) as threads:
        threads.submit(int).result()

        def inside():
            with isolated_rng():
                return threads.submit(member).result()

        assert CIRCLE in str(ends(inside))


@pytest.mark.parametrize("at_once", [True, False])
def test_bystanders_wait_as_long_as_it_takes(at_once):
    """The thread inside waits for a thread and a future, but not for this one."""
    inside, results = threading.Event(), []

    def hold():
        with isolated_rng(0), ThreadPoolExecutor(2) as threads:
            future = threads.submit(time.sleep, 0.3)
            inside.set()
            if at_once:
                future.result()

    def stand_by():
        inside.wait()
        results.append(member())

    others = [threading.Thread(target=each) for each in (hold, stand_by, stand_by)]
    for thread in others:
        thread.start()
    with ThreadPoolExecutor(1) as threads:
        inside.wait()
        results.append(threads.submit(member).result())
    for thread in others:
        thread.join()
    assert results == [member()] * 3


def test_threads_may_look_while_garbage_is_collected(monkeypatch):
    """Python 3.11 hangs where two threads ask what all run, and one collects."""
    monkeypatch.setattr(_turns, "_BETWEEN_LOOKS", 0.0)
    asked = []

    def frames():
        asked.append(gc.isenabled())
        return {}

    monkeypatch.setattr(_turns.sys, "_current_frames", frames)
    with one_thread_at_a_time():
        thread = threading.Thread(target=member)
        thread.start()
        time.sleep(0.05)
    thread.join()
    assert asked
    assert not any(asked)
    assert gc.isenabled()


def test_a_thread_that_nobody_knows_to_be_waited_for_gives_up_in_the_end(monkeypatch):
    monkeypatch.setattr(_turns, "_PATIENCE", 0.1)
    asked, answers = queue.Queue(), queue.Queue()

    def serve():
        asked.get()
        try:
            answers.put(member())
        except RuntimeError as error:
            answers.put(error)

    def inside():
        with isolated_rng():
            asked.put(1)
            return answers.get()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    assert CIRCLE in str(ends(inside))
    server.join()


def test_a_thread_inside_that_goes_on_is_waited_for(monkeypatch):
    """It waits often, each time a little."""
    monkeypatch.setattr(_turns, "_PATIENCE", 0.05)
    inside, found = threading.Event(), []

    def hold():
        nothing = queue.Queue()
        with isolated_rng(0):
            inside.set()
            for _ in range(30):
                with pytest.raises(queue.Empty):
                    nothing.get(timeout=0.015)

    threads = [
        threading.Thread(target=hold),
        threading.Thread(target=lambda: inside.wait() and found.append(member())),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [member()]
