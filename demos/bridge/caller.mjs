// Calls the program at the other end of the bridge: node caller.mjs ws://127.0.0.1:8787/call/greenhouse?token=let-me-call
import { newWebSocketRpcSession } from "capnweb";

const greenhouse = newWebSocketRpcSession(process.argv[2]);
console.log(await greenhouse.temperature(), "degrees");
console.log(await greenhouse.watch((degrees) => console.log("now", degrees), 3));

const lamp = greenhouse.lamp(); // a promise: the next line goes along with this one
console.log("the lamp is", await lamp.switch(true));
lamp[Symbol.dispose]();
greenhouse[Symbol.dispose]();
