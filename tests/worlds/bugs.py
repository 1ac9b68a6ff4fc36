"""Bugs to put into the library: each is a mistake that somebody could make."""

from __future__ import annotations

from rpclab.core.answers import Answer
from rpclab.core.arrival import Arrival
from rpclab.core.contexts import ExecutionContext
from rpclab.core.embargo import Embargo
from rpclab.core.hooks import ForwardHook, Hook
from rpclab.core.imports import Handle, Import, Pending
from rpclab.core.payload import Payload
from rpclab.core.session import Session
from rpclab.rpc import engine

# Order.


def what_comes_home_is_called_directly(patch):
    patch.setattr(Arrival, "embargo", lambda *_: False)


def the_embargo_ends_too_early(patch):
    patch.setattr(Embargo, "call", lambda self, *call: self._near.call(*call))


def queued_calls_go_on_after_the_result(patch):
    conclude = Answer._conclude

    def conclude_first(self, reply):
        queue = None
        if reply is not None:
            queue, self.queue = self.queue, None
        conclude(self, reply)
        if queue:
            soon = self.session.soon
            # The result leaves in the next turn, and a call made on it then in the one after.
            soon(lambda: soon(lambda: soon(lambda: [self.route(call) for call in queue])))

    patch.setattr(Answer, "_conclude", conclude_first)


def queued_calls_go_on_backwards(patch):
    conclude = Answer._conclude

    def conclude_backwards(self, reply):
        if self.queue is not None:
            self.queue.reverse()
        conclude(self, reply)

    patch.setattr(Answer, "_conclude", conclude_backwards)


def a_promised_argument_holds_nothing_back(patch):
    deliver = Hook.deliver

    def deliver_past_it(self, call):
        if call.promised is None:
            self.start(call)
        else:
            deliver(self, call)

    patch.setattr(Hook, "deliver", deliver_past_it)


def a_call_after_the_await_overtakes_those_before(patch):
    patch.setattr(Pending, "answered", lambda self: setattr(self, "unanswered", 0))


# Lost and doubled.


def a_settlement_counts_as_seen_when_it_is_sent(patch):
    flush = Session.flush

    def flush_and_forget(self):
        for call in self._unacknowledged:
            self.exports.pop(call, None)
        return flush(self)

    patch.setattr(Session, "flush", flush_and_forget)


def a_release_is_sent_twice(patch):
    release = Session.give_back

    def give_back_twice(self, import_id):
        release(self, import_id)
        release(self, import_id)

    patch.setattr(Session, "give_back", give_back_twice)


def a_cancelled_call_goes_on(patch):
    patch.setattr(Answer, "cancel", lambda _: None)


def a_cancellation_is_not_sent(patch):
    patch.setattr(Session, "cancel", lambda *_: None)


def a_result_forgets_its_stubs(patch):
    patch.setattr(Answer, "keep", lambda *_: None)


# Lifetimes.


def dispose_releases_nothing(patch):
    def drop(self):
        self.handles -= 1

    patch.setattr(Import, "drop", drop)


def the_first_dispose_releases(patch):
    patch.setattr(Import, "drop", lambda self: self.session.release(self))


def a_dup_does_not_count(patch):
    def dup(self):
        copy = Handle(self.entry, self.context)
        self.entry.handles -= 1
        return copy

    patch.setattr(Handle, "dup", dup)


def a_forwarder_makes_no_claim(patch):
    init = ForwardHook.__init__

    def init_without_claim(self, handle):
        init(self, handle)
        self.entry.handles -= 1

    patch.setattr(ForwardHook, "__init__", init_without_claim)


def a_forwarder_never_lets_go(patch):
    patch.setattr(ForwardHook, "unclaimed", lambda _: None)


def parameters_are_not_disposed(patch):
    answer, kept = Session._answer, []

    def answer_without_params(self, call, arrival):
        made = answer(self, call, arrival)
        kept.append(made.params)
        made.params = None
        return made

    patch.setattr(Session, "_answer", answer_without_params)


def what_was_not_sent_is_not_disposed(patch):
    patch.setattr(Payload, "discard", lambda *_: None)


def a_result_keeps_its_targets(patch):
    patch.setattr(Answer, "drop", lambda _: None)


def the_disposer_runs_under_a_running_call(patch):
    served_by = Answer.served_by

    def served_by_what_may_go(self, via, context):
        served_by(self, via, context)
        via.claims -= 1
        self.watch(via.retain)

    patch.setattr(Answer, "served_by", served_by_what_may_go)


def a_target_does_not_keep_its_context(patch):
    exported = ExecutionContext.exported

    def exported_without_hold(self, hook):
        exported(self, hook)
        self._holds -= 1

    patch.setattr(ExecutionContext, "exported", exported_without_hold)


def a_context_keeps_itself(patch):
    patch.setattr(ExecutionContext, "part_with_itself", lambda _: None)
    patch.setattr(engine, "let_go_of_cycles", lambda _: None)


def contexts_are_let_go_of_that_others_hold(patch):
    patch.setattr(ExecutionContext, "kept_only_by", lambda self, _: not self.long)


def a_promise_disposed_early_takes_what_was_passed_on(patch):
    settle = Pending.settle

    def settle_disposed(self, state, value, stubs=None):
        for handle in (stubs or ()) if self.disposed else ():
            handle.dispose()
        settle(self, state, value, stubs)

    patch.setattr(Pending, "settle", settle_disposed)


# Failures.


def a_failure_that_was_seen_is_told_of(patch):
    patch.setattr(Pending, "look", lambda _: None)
    patch.setattr(Pending, "is_plain", True)


ALL = [bug for name, bug in list(globals().items()) if getattr(bug, "__module__", "") == __name__]
