"""Where an end of ours differs from the library on purpose: each with its reason.

`SERVER` and `CLIENT` say, by transcript, why ours differs when it plays that side, and which
messages stand there instead. Where there are no messages, the transcript cannot be played at all.
"""

from __future__ import annotations

from typing import NamedTuple

from capnweb.replay import record


class Difference(NamedTuple):
    """Why ours differs, and what it sends.

    Attributes:
        reason: in words.
        swaps: by a message of the library, or of its peer, what stands there with ours.
    """

    reason: str
    swaps: dict[str, list[str]] | None = None


WORDS = {
    "error-missing-member", "error-result-unsupported", "use-after-release-by-callee",
    "writable-fails", "reject-promise-id-reused", "reject-remap-empty",
    "reject-remap-export-inside", "accept-pipe-written-before-readable", "readable-not-read",
}  # fmt: skip
"""The library's errors have words of its own there: that there is an error is compared."""

_PLAIN_MAP = "the results of a map are plain values at once, and no promises"
_INTS = "Python has one kind of integer: a small bigint comes back as a number"
_SHOWN = "`what` shows its arguments as Node does; the test looks at the arguments"
_RELEASES = "what was introduced twice is given back twice: the library forgets one"
_STREAM = "a stream that came in and is passed on is acknowledged when its last reader takes it"


def _shown(name, number=1):
    """`what` says something else."""
    theirs = [
        text
        for turn in record(name)["turns"]
        for text in turn["messages"]
        if text.startswith(f'["resolve",{number},')
    ]
    return Difference(_SHOWN, {text: [f'["resolve",{number},"what it is"]'] for text in theirs})


def _map(items, result, *, released=True):
    """The results of a map stand in its answer; so nobody releases promises."""
    swaps = {text: [] for text in items}
    swaps[result[0]] = [result[1]]
    numbers = {text.split(",")[1] for text in items}
    if released:
        swaps |= {f'["release",{number},1]': [] for number in numbers}
    return Difference(_PLAIN_MAP, swaps)


SERVER: dict[str, Difference] = {
    name: _shown(name)
    for name in (
        "accept-base64-padded-and-url",
        "accept-date-fraction",
        "accept-error-shapes",
        "accept-missing-arguments",
        "accept-response-body-text",
        "value-object",
    )
}
SERVER["accept-pipe-written-before-readable"] = _shown("accept-pipe-written-before-readable", 4)
SERVER |= {
    "accept-push-two-calls": Difference(
        "calls inside a value are answered with it, and not one by one",
        {
            '["resolve",1,[[["promise",-1],["promise",-2]]]]': ['["resolve",1,[[3,"hello x"]]]'],
            '["resolve",-1,3]': [],
            '["resolve",-2,"hello x"]': [],
        },
    ),
    "accept-export-id-twice": Difference(_RELEASES, {'["release",-1,1]': ['["release",-1,2]']}),
    "disposed-stub-passed-twice": Difference(_RELEASES, {'["release",-1,1]': ['["release",-1,2]']}),
    "error-on-send": Difference("there is no hook that replaces errors"),
    "error-properties": Difference(
        "None is null, and no undefined; an ExceptionGroup holds exceptions only",
        {
            '["reject",1,["error","RangeError","r",null,{"code":"E1","details":{"list":[[1,[[2]]]],'
            '"when":["date",5]},"fn":["undefined"]}]]': [
                (
                    '["reject",1,["error","RangeError","r",null,{"code":"E1","details":'
                    '{"list":[[1,[[2]]]],"when":["date",5]}}]]'
                )
            ],
            '["reject",3,["error","AggregateError","many",null,'
            '{"errors":[[["error","Error","a"],5]]}]]': [
                (
                    '["reject",3,["error","AggregateError","many",null,'
                    '{"errors":[[["error","Error","a"],["error","Error","5"]]]}]]'
                )
            ],
        },
    ),
    "map": _map(
        ['["resolve",-1,"Bo"]', '["resolve",-2,"Cy"]'],
        ('["resolve",2,[[["promise",-1],["promise",-2]]]]', '["resolve",2,[["Bo","Cy"]]]'),
    ),
    "map-call-captured": _map(
        [
            '["resolve",-1,1]',
            '["resolve",-3,2]',
            '["resolve",-2,"hello Bo"]',
            '["resolve",-4,"hello Cy"]',
        ],
        (
            '["resolve",2,[[[[["promise",-1],["promise",-2]]],[[["promise",-3],["promise",-4]]]]]]',
            '["resolve",2,[[[[1,"hello Bo"]],[[2,"hello Cy"]]]]]',
        ),
    ),
    "map-fails": _map(
        [
            '["reject",-1,["error","TypeError","item"]]',
            '["reject",-2,["error","TypeError","item"]]',
        ],
        (
            '["resolve",2,[[["promise",-1],["promise",-2]]]]',
            '["reject",2,["error","TypeError","item"]]',
        ),
    ),
    "map-nested": _map(
        [
            '["resolve",-1,[[["promise",-3],["promise",-4]]]]',
            '["resolve",-2,[[["promise",-5]]]]',
            '["resolve",-3,2]',
            '["resolve",-4,4]',
            '["resolve",-5,6]',
        ],
        ('["resolve",2,[[["promise",-1],["promise",-2]]]]', '["resolve",2,[[[[2,4]],[[6]]]]]'),
    ),
    "map-object-literal": _map(
        ['["resolve",-1,"Bo"]', '["resolve",-2,"Cy"]'],
        (
            (
                '["resolve",2,[[{"n":["promise",-1],"k":[[1,"x",["undefined"],["bigint","5"]]]},'
                '{"n":["promise",-2],"k":[[1,"x",["undefined"],["bigint","5"]]]}]]]'
            ),
            '["resolve",2,[[{"n":"Bo","k":[[1,"x",null,5]]},{"n":"Cy","k":[[1,"x",null,5]]}]]]',
        ),
    ),
    "map-of-stub": _map(
        ['["resolve",-1,1]', '["resolve",-2,2]', '["resolve",-3,3]'],
        (
            '["resolve",2,[[["promise",-1],["promise",-2],["promise",-3]]]]',
            '["resolve",2,[[1,2,3]]]',
        ),
    ),
    "map-targets": _map(
        ['["resolve",-1,11]', '["resolve",-2,12]'],
        ('["resolve",2,[[["promise",-1],["promise",-2]]]]', '["resolve",2,[[11,12]]]'),
    ),
    "batch-map": _map(
        ['["resolve",-1,"hello Bo"]', '["resolve",-2,"hello Cy"]'],
        (
            '["resolve",2,[[["promise",-1],["promise",-2]]]]',
            '["resolve",2,[["hello Bo","hello Cy"]]]',
        ),
        released=False,
    ),
    "map-not-array": Difference(
        "a result of None is undefined: a Python method returns it where it returns nothing",
        {'["resolve",4,null]': ['["resolve",4,["undefined"]]']},
    ),
    "map-own-capture": Difference(
        "each item is called with its value, awaited, and the result is plain",
        {
            '["push",["pipeline",-1,[],[["promise",-1]]]]': [
                '["push",["pipeline",-1,[],["Bo"]]]',
                '["pull",1]',
                '["push",["pipeline",-1,[],["Cy"]]]',
                '["pull",2]',
            ],
            **{
                key: []
                for key in (
                    '["push",["pipeline",1,[]]]',
                    '["release",1,1]',
                    '["push",["pipeline",-1,[],[["promise",-2]]]]',
                    '["push",["pipeline",3,[]]]',
                    '["release",3,1]',
                    '["release",-1,1]',
                    '["resolve",-1,"Bo"]',
                    '["resolve",-2,"Cy"]',
                    '["release",-2,1]',
                    '["release",4,1]',
                )
            },
            '["resolve",2,[[["pipeline",2],["pipeline",4]]]]': [],
            # From here on it is the peer that answers, and ours that goes on.
            '["release",2,1]': [],
        },
    ),
    "promise-as-result": Difference(
        "arguments are given back when what the method returned has settled",
        {
            '["release",-1,1]': [],
            ("server", '["resolve",1,500]'): ['["resolve",1,500]', '["release",-1,1]'],
        },
    ),
    "promise-in-result": Difference(
        "what a result awaits is awaited before it is sent",
        {
            '["resolve",1,{"now":1,"later":["promise",-1]}]': [
                '["resolve",1,{"now":1,"later":[[2]]}]'
            ],
            '["resolve",-1,[[2]]]': [],
            '["release",-1,1]': [],
        },
    ),
    "quirk-parameter-returned": Difference("a parameter that is returned goes back, here"),
    "quirk-readable-returned": Difference("a stream that is returned is passed on, here"),
    "readable-forwarded": Difference(
        _STREAM, {'["resolve",3,["undefined"]]': [], '["resolve",4,["undefined"]]': []}
    ),
    "readable-cancelled": Difference(
        "a batch is applied before the source goes on: it learns of all of it at once",
        {
            f'["stream",["pipeline",1,["write"],[{{"text":"{"4" * 65536}"}}]]]': [],
            '["reject",6,["error","Error","had enough"]]': [],
        },
    ),
    "readable-window": Difference("the window follows the rate at once, and not step by step"),
    "writable-in-argument": Difference(
        "a chunk of text is sent as bytes",
        {
            '["stream",["pipeline",-1,["write"],["a"]]]': [
                '["stream",["pipeline",-1,["write"],[["bytes","YQ"]]]]'
            ],
        },
    ),
    "stub-of-caller-comes-back": Difference(
        "JavaScript cannot await its own stub alone, so it gets one that forwards",
        {
            '["resolve",1,["import",-1]]': ['["resolve",1,["export",-1]]'],
            '["release",-1,1]': [],
        },
    ),
    "value-bigint": Difference(
        _INTS,
        {
            '["resolve",1,[[["bigint","0"],["bigint","-5"],'
            '["bigint","1180591620717411303424"]]]]': [
                '["resolve",1,[[0,-5,["bigint","1180591620717411303424"]]]]'
            ]
        },
    ),
    "value-date": Difference(
        "Python has no invalid date: it arrives as None",
        {
            '["resolve",1,[[["date",1749342170815],["date",-1],["date",null]]]]': [
                '["resolve",1,[[["date",1749342170815],["date",-1],null]]]'
            ]
        },
    ),
    "value-undefined": Difference(
        "undefined is None, and None inside a value is null",
        {
            '["resolve",1,[[["undefined"],[[["undefined"]]],{"a":["undefined"]}]]]': [
                '["resolve",1,[[null,[[null]],{"a":null}]]]'
            ]
        },
    ),
    "value-request": Difference("what a browser adds to a request has no place in one of Workers"),
    "value-typed-arrays": Difference("ArrayBuffer, DataView and Uint8ClampedArray are bytes here"),
    "batch-stream-in-result": Difference("the end of a batch is its transport's business"),
}
CLIENT: dict[str, Difference] = {
    "value-bigint": Difference(
        _INTS,
        {
            '["push",["pipeline",0,["echo"],'
            '[["bigint","0"],["bigint","-5"],["bigint","1180591620717411303424"]]]]': [
                '["push",["pipeline",0,["echo"],[0,-5,["bigint","1180591620717411303424"]]]]'
            ]
        },
    ),
    "value-date": Difference(
        "Python has no invalid date",
        {
            '["push",["pipeline",0,["echo"],[["date",1749342170815],["date",-1],["date",null]]]]': [
                '["push",["pipeline",0,["echo"],[["date",1749342170815],["date",-1],null]]]'
            ]
        },
    ),
    "value-blob": Difference(
        "a Blob of two parts is one piece here",
        {
            '["stream",["pipeline",1,["write"],[["bytes","aGVsbG8g"]]]]': [],
            '["stream",["pipeline",1,["write"],[["bytes","YmxvYg"]]]]': [
                '["stream",["pipeline",1,["write"],[["bytes","aGVsbG8gYmxvYg"]]]]'
            ],
            '["resolve",5,["undefined"]]': [],
        },
    ),
    "value-unsupported": Difference(
        "a message that is not sent takes no ids",
        {
            '["push",["pipeline",0,["callBack"],[["export",-2]]]]': [
                '["push",["pipeline",0,["callBack"],[["export",-1]]]]'
            ],
            '["push",["pipeline",-2,[],[]]]': ['["push",["pipeline",-1,[],[]]]'],
            '["release",-2,1]': ['["release",-1,1]'],
        },
    ),
    "map-object-literal": Difference(
        "undefined and small bigints have no counterpart",
        {
            '["push",["remap",1,["friends"],[],'
            '[{"n":["pipeline",0,["name"]],"k":[[1,"x",["undefined"],["bigint","5"]]]}]]]': [
                (
                    '["push",["remap",1,["friends"],[],[{"n":["pipeline",0,["name"]],'
                    '"k":[[1,"x",null,["bigint","1180591620717411303424"]]]}]]]'
                )
            ]
        },
    ),
    "answer-same-export-twice": Difference(_RELEASES, {'["release",-1,1]': ['["release",-1,2]']}),
    "readable-source-fails": Difference(
        "what came before the error is read first (rule S4)",
        {
            '["reject",2,["error","RangeError","source broke"]]': ['["resolve",2,["undefined"]]'],
            '["reject",3,["error","RangeError","source broke"]]': ['["resolve",3,["undefined"]]'],
        },
    ),
    "map-nested": Difference("the function given to map() does not map in its turn"),
    "value-undefined": Difference("Python has no undefined"),
    "value-object": Difference("names that the receiver would drop are refused"),
    "value-request": Difference("what a browser adds to a request has no place in one of Workers"),
    "value-typed-arrays": Difference("ArrayBuffer, DataView and Uint8ClampedArray are bytes here"),
    "dispose-before-result": Difference("a result that was asked for is given back as it comes"),
    "disposed-stub-passed-twice": Difference("no id is introduced twice"),
    "promise-dup": Difference("a promise has no second handle (rule C16)"),
    "shutdown-by-dispose": Difference("a connection is closed, and not its main stub disposed"),
    "batch-stream-in-result": Difference("the end of a batch is its transport's business"),
}
