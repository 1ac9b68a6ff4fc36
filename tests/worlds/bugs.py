"""Bugs to put into the library: each is a mistake that somebody could make."""

from __future__ import annotations

from collections import deque

from rpclab.core.detour import Detour
from rpclab.core.endpoint import Endpoint
from rpclab.core.exporter import Exporter
from rpclab.core.importer import Importer

from rpclab.core.answers import Answer
from rpclab.core.contexts import ExecutionContext
from rpclab.core.handles import Handle
from rpclab.core.hooks import ForwardHook, Hook, TargetHook
from rpclab.core.imports import Import, Pending
from rpclab.core.references import Incoming, Outgoing

# Order.


def what_comes_home_is_called_directly(patch):
    patch.setattr(Incoming, "detour", lambda *_: False)


def the_detour_ends_too_early(patch):
    patch.setattr(Detour, "call", lambda self, *call: self._near.call(*call))


def queued_calls_go_on_after_the_result(patch):
    send_result = Exporter.send_result

    def send_result_first(self, answer, value):
        queue, answer.queue = answer.queue, None
        sent = send_result(self, answer, value)
        if sent and queue is not None:
            self.host.again(lambda: [answer.route(*delivery) for delivery in queue])
        elif queue is not None:
            answer.queue = deque([*queue, *(answer.queue or ())])
        return sent

    patch.setattr(Exporter, "send_result", send_result_first)


def queued_calls_go_on_backwards(patch):
    flush = Answer.flush

    def flush_backwards(self):
        if self.queue is not None:
            self.queue.reverse()
        flush(self)

    patch.setattr(Answer, "flush", flush_backwards)


def a_promised_argument_holds_nothing_back(patch):
    deliver = Hook.deliver

    def deliver_past_it(self, *call):
        *started, promised = (*call, None)[:5]
        if promised is None:
            self.start(*started)
        else:
            deliver(self, *call)

    patch.setattr(Hook, "deliver", deliver_past_it)


def a_call_after_the_await_overtakes_those_before(patch):
    patch.setattr(Pending, "answered", lambda self: setattr(self, "unanswered", 0))


# Lost and doubled.


def a_settlement_counts_as_seen_when_it_is_sent(patch):
    flush = Endpoint.flush

    def flush_and_forget(self):
        for call in self._unacknowledged:
            self.exports.pop(call, None)
        flush(self)

    patch.setattr(Endpoint, "flush", flush_and_forget)


def a_release_is_sent_twice(patch):
    release = Importer.give_back

    def give_back_twice(self, import_id, count=1):
        release(self, import_id, count)
        release(self, import_id, count)

    patch.setattr(Importer, "give_back", give_back_twice)


def a_cancelled_call_goes_on(patch):
    patch.setattr(Answer, "cancel", lambda _: None)


def a_cancellation_is_not_sent(patch):
    patch.setattr(Importer, "cancel", lambda *_: None)


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
    init, kept = Answer.__init__, []

    def init_without_params(self, session, answer_id, params=None):
        kept.append(params)
        init(self, session, answer_id)

    patch.setattr(Answer, "__init__", init_without_params)


def what_was_not_sent_stays_introduced(patch):
    patch.setattr(Outgoing, "withdraw", lambda *_: None)


def a_result_keeps_its_targets(patch):
    patch.setattr(Answer, "drop", lambda _: None)


def the_disposer_runs_under_a_running_call(patch):
    def returned(self):
        self._active -= 1

    patch.setattr(TargetHook, "returned", returned)


def a_target_does_not_keep_its_context(patch):
    exported = ExecutionContext.exported

    def exported_without_hold(self, hook):
        exported(self, hook)
        self._holds -= 1

    patch.setattr(ExecutionContext, "exported", exported_without_hold)


def a_context_keeps_itself(patch):
    patch.setattr(ExecutionContext, "part_with_itself", lambda _: None)


def a_promise_disposed_early_takes_what_was_passed_on(patch):
    settle = Pending.settle

    def settle_disposed(self, state, value, stubs=None):
        for handle in (stubs or ()) if self.disposed else ():
            handle.dispose()
        settle(self, state, value, stubs)

    patch.setattr(Pending, "settle", settle_disposed)


ALL = [bug for name, bug in list(globals().items()) if getattr(bug, "__module__", "") == __name__]
