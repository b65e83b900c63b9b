/** Functions that do what no function should, by the name of what they do. Each fails at `/NAME`. */
import type { AppFiles } from './platform-harness.ts';

/** Writes bytes where only the runtime should: the channel to the platform. */
const FRAMES = `
import { writeSync } from 'node:fs';
function frame(kind, flags, stream, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(12);
  head.writeUInt32LE(payload.length, 0);
  head.writeUInt32LE(stream, 4);
  head[8] = kind;
  head[9] = flags;
  return Buffer.concat([head, payload]);
}
function answer(status, headers, body = '') {
  const head = Buffer.alloc(8);
  head.writeUInt16LE(status, 0);
  head.writeUInt32LE(headers.length, 4);
  return Buffer.concat([head, Buffer.from(headers + body, 'latin1')]);
}
const HTTP_RESPONSE = 0x43, RESULT = 0x44, FAILED = 0x46, LOG = 0x47, READY = 0x41, STATS = 0x49, BODY = 0x80, CREDIT = 0x81;
function send(bytes) {
  for (let at = 0; at < bytes.length; ) {
    try { at += writeSync(3, bytes.subarray(at)); } catch (error) { if (error.code !== 'EAGAIN') throw error; }
  }
}
const forever = () => new Promise(() => setInterval(() => {}, 1_000));
`;
const frames = (statement: string): string =>
  `${FRAMES}\nexport default { async fetch() { ${statement}; await forever(); } };`;
const lambda = (statement: string): string => `export const handler = async () => { ${statement} };`;
const fetches = (statement: string): string => `export default { async fetch(request) { ${statement} } };`;

/** What the call of each is answered with: status, code, and what the message says. */
export interface Hostile {
  readonly source: string;
  readonly status: number;
  readonly code: string;
  readonly says: RegExp;
}

const throwing: Record<string, Hostile> = {
  throwsError: {
    source: fetches('throw new RangeError("out of range")'),
    status: 500,
    code: 'E_FUNCTION_ERROR',
    says: /^RangeError: out of range$/,
  },
  throwsText: {
    source: lambda('throw "just a text"'),
    status: 500,
    code: 'E_FUNCTION_ERROR',
    says: /^the function threw something that is not an Error: 'just a text'$/,
  },
  throwsNothing: {
    source: fetches('return Promise.reject()'),
    status: 500,
    code: 'E_FUNCTION_ERROR',
    says: /^the function threw something that is not an Error: undefined$/,
  },
  throwsTrap: {
    source: fetches(
      'throw new Proxy({}, { get() { throw new Error("trap"); }, getPrototypeOf() { throw new Error("trap"); } })',
    ),
    status: 500,
    code: 'E_FUNCTION_ERROR',
    says: /a value that cannot be read$/,
  },
  throwsLater: {
    source: fetches(
      'setTimeout(() => { throw new TypeError("from a timer"); }, 1); await new Promise(() => {});',
    ),
    status: 500,
    code: 'E_FUNCTION_ERROR',
    says: /^TypeError: from a timer$/,
  },
  rejectsAside: {
    source: fetches('Promise.reject(new TypeError("nobody waits")); await new Promise(() => {});'),
    status: 500,
    code: 'E_FUNCTION_ERROR',
    says: /^TypeError: nobody waits$/,
  },
  throwsAtLoad: {
    source: 'throw new TypeError("at load");',
    status: 502,
    code: 'E_BOOT_FAILED',
    says: /cannot be loaded: TypeError: at load$/,
  },
  waitsAtLoad: {
    source: 'await new Promise(() => {}); export default () => 1;',
    status: 502,
    code: 'E_BOOT_FAILED',
    says: /waits at its top level/,
  },
  exportsNothing: {
    source: 'const unused = 1;',
    status: 502,
    code: 'E_HANDLER_MISSING',
    says: /cannot be loaded: there is nothing to call: the module exports nothing/,
  },
  exportsOther: {
    source: 'export const handle = () => 1; export const limit = 5;',
    status: 502,
    code: 'E_HANDLER_MISSING',
    says: /exports handle, limit/,
  },
};

const nonsense: Record<string, Hostile> = {
  returnsNumber: {
    source: fetches('return 42'),
    status: 502,
    code: 'E_FUNCTION_RESPONSE_INVALID',
    says: /type number/,
  },
  returnsNothing: {
    source: fetches(''),
    status: 502,
    code: 'E_FUNCTION_RESPONSE_INVALID',
    says: /nothing \(undefined\)/,
  },
  returnsCircle: {
    source: lambda('const a = {}; a.a = a; return a'),
    status: 502,
    code: 'E_FUNCTION_RESPONSE_INVALID',
    says: /cannot be written as JSON: .*circular/,
  },
  returnsBigInt: {
    source: lambda('return { big: 1n }'),
    status: 502,
    code: 'E_FUNCTION_RESPONSE_INVALID',
    says: /BigInt/,
  },
  returnsStatus: {
    source: lambda('return { statusCode: 99 }'),
    status: 502,
    code: 'E_FUNCTION_RESPONSE_INVALID',
    says: /statusCode 99; it must be a whole number from 200 to 599/,
  },
  returnsHeader: {
    source: lambda('return { statusCode: 200, headers: { "x-a": "1\\r\\nx-b: 2" } }'),
    status: 502,
    code: 'E_FUNCTION_RESPONSE_INVALID',
    says: /x-a/,
  },
  returnsName: {
    source: lambda('return { statusCode: 200, headers: { "x a": "1" } }'),
    status: 502,
    code: 'E_FUNCTION_RESPONSE_INVALID',
    says: /x a/,
  },
  returnsUsed: {
    source: fetches('const used = new Response("used"); await used.text(); return used'),
    status: 500,
    code: 'E_FUNCTION_ERROR',
    says: /^TypeError: Body is unusable/,
  },
  answers100mb: {
    source: fetches('return new Response(Buffer.alloc(100 * 1024 * 1024))'),
    status: 502,
    code: 'E_RESPONSE_TOO_LARGE',
    says: /more than its 64 MB/,
  },
};

const leaving: Record<string, Hostile> = {
  exits: {
    source: fetches('process.exit(0)'),
    status: 502,
    code: 'E_FUNCTION_EXITED',
    says: /ended with exit code 0 before it had answered/,
  },
  exitsWith: {
    source: lambda('setTimeout(() => process.exit(7), 1); await new Promise(() => {})'),
    status: 502,
    code: 'E_FUNCTION_EXITED',
    says: /exit code 7/,
  },
  aborts: {
    source: fetches('process.abort()'),
    status: 502,
    code: 'E_FUNCTION_EXITED',
    says: /by signal SIGABRT/,
  },
  killsItself: {
    source: fetches('process.kill(process.pid, "SIGKILL"); await new Promise(() => {})'),
    status: 502,
    code: 'E_FUNCTION_EXITED',
    says: /by signal SIGKILL/,
  },
  exitsAtLoad: {
    source: 'process.exit(3);',
    status: 502,
    code: 'E_BOOT_FAILED',
    says: /ended with exit code 3 while it loaded its code/,
  },
  neverAnswers: {
    source: fetches('await new Promise(() => {})'),
    status: 504,
    code: 'E_FUNCTION_TIMEOUT',
    says: /within 1 s/,
  },
  neverAnswersLambda: {
    source: 'export const handler = (event, context, callback) => {};',
    status: 504,
    code: 'E_FUNCTION_TIMEOUT',
    says: /within 1 s/,
  },
};

const framing: Record<string, Hostile> = {
  garbage: {
    source: frames('writeSync(3, Buffer.alloc(64, 0xff))'),
    status: 502,
    code: 'E_PROTOCOL',
    says: /a frame that is too long or not a frame at all/,
  },
  text: {
    source: frames('writeSync(3, "this is not a frame at all")'),
    status: 502,
    code: 'E_PROTOCOL',
    says: /not a frame at all/,
  },
  truncated: {
    source: frames(
      'writeSync(3, frame(LOG, 0, 0, Buffer.alloc(100)).subarray(0, 50)); process.kill(process.pid, "SIGKILL")',
    ),
    status: 502,
    code: 'E_FUNCTION_EXITED',
    says: /SIGKILL/,
  },
  foreignStream: {
    source: frames('writeSync(3, frame(HTTP_RESPONSE, 1, 999, answer(200, "")))'),
    status: 502,
    code: 'E_PROTOCOL',
    says: /an answer to request 999, which it never got/,
  },
  unknownKind: {
    source: frames('writeSync(3, frame(0x7f, 0, 1, Buffer.from("?")))'),
    status: 502,
    code: 'E_PROTOCOL',
    says: /unknown kind 127/,
  },
  unknownKindLast: {
    source: frames('writeSync(3, frame(0x7f, 1, 1))'),
    status: 502,
    code: 'E_PROTOCOL',
    says: /unknown kind 127/,
  },
  readyTwice: {
    source: frames('writeSync(3, frame(READY, 0, 0, Buffer.from("{}")))'),
    status: 502,
    code: 'E_PROTOCOL',
    says: /READY/,
  },
  wrongLog: {
    source: frames('writeSync(3, frame(LOG, 0, 1, Buffer.alloc(10, 9)))'),
    status: 502,
    code: 'E_PROTOCOL',
    says: /LOG/,
  },
  wrongFailure: {
    source: frames('writeSync(3, frame(FAILED, 1, 1, Buffer.from("[]")))'),
    status: 502,
    code: 'E_PROTOCOL',
    says: /unreadable/,
  },
  wrongCredit: {
    source: frames('writeSync(3, frame(CREDIT, 0, 1, Buffer.alloc(3)))'),
    status: 502,
    code: 'E_PROTOCOL',
    says: /CREDIT/,
  },
  wrongStats: {
    source: frames('writeSync(3, frame(STATS, 0, 0, Buffer.alloc(9)))'),
    status: 502,
    code: 'E_PROTOCOL',
    says: /STATS/,
  },
  wrongStatus: {
    source: frames('writeSync(3, frame(HTTP_RESPONSE, 1, 1, answer(999, "")))'),
    status: 502,
    code: 'E_FUNCTION_RESPONSE_INVALID',
    says: /answered status 999/,
  },
  wrongHeaders: {
    source: frames('writeSync(3, frame(HTTP_RESPONSE, 1, 1, answer(200, "no colon\\r\\n")))'),
    status: 502,
    code: 'E_FUNCTION_RESPONSE_INVALID',
    says: /header/,
  },
  smuggledHeader: {
    source: frames('writeSync(3, frame(HTTP_RESPONSE, 1, 1, answer(200, "x: a\\nb: c\\r\\n")))'),
    status: 502,
    code: 'E_FUNCTION_RESPONSE_INVALID',
    says: /header/,
  },
  cutHead: {
    source: frames(
      'const cut = answer(200, "x: 1\\r\\n"); cut.writeUInt32LE(5000, 4); writeSync(3, frame(HTTP_RESPONSE, 1, 1, cut))',
    ),
    status: 502,
    code: 'E_FUNCTION_RESPONSE_INVALID',
    says: /cut off/,
  },
  bodyFirst: {
    source: frames('writeSync(3, frame(BODY, 1, 1, Buffer.from("body")))'),
    status: 502,
    code: 'E_FUNCTION_RESPONSE_INVALID',
    says: /a body before its head/,
  },
  wrongLength: {
    source: frames(
      'writeSync(3, frame(HTTP_RESPONSE, 1, 1, answer(200, "content-length: 10\\r\\n", "four")))',
    ),
    status: 502,
    code: 'E_FUNCTION_RESPONSE_INVALID',
    says: /a body of 4 bytes after declaring 10/,
  },
  resultOfEvent: {
    source: frames('writeSync(3, frame(RESULT, 1, 1, Buffer.from("1")))'),
    status: 502,
    code: 'E_FUNCTION_RESPONSE_INVALID',
    says: /the result of an event/,
  },
};

export const HOSTILE: Readonly<Record<string, Readonly<Record<string, Hostile>>>> = {
  'a function that fails': throwing,
  'a function that answers nonsense': nonsense,
  'a function that ends or never ends': leaving,
  'a function that writes to the channel': framing,
};

/** These fail after the head of their answer has left, or when they are called with an event. */
const MIDWAY: Readonly<Record<string, string>> = {
  streams100mb: fetches(
    'let sent = 0; return new Response(new ReadableStream({ pull(controller) { controller.enqueue(Buffer.alloc(1 << 20)); if (++sent === 100) controller.close(); } }))',
  ),
  sendsTooFast: frames(
    'for (let count = 0; count < 400; count++) send(frame(count === 0 ? HTTP_RESPONSE : BODY, 0, 1, count === 0 ? answer(200, "") : Buffer.alloc(65536)))',
  ),
  exitsMidway: fetches(
    'return new Response(new ReadableStream({ async pull(controller) { controller.enqueue(Buffer.from("some")); await new Promise(setImmediate); setTimeout(() => process.exit(1), 50); await new Promise(() => {}); } }))',
  ),
  throwsMidway: fetches(
    'let sent = 0; return new Response(new ReadableStream({ async pull(controller) { if (++sent > 3) throw new Error("midway"); controller.enqueue(Buffer.alloc(1 << 17)); await new Promise(setImmediate); } }))',
  ),
  returns7mb: lambda('return "x".repeat(7 * 1024 * 1024)'),
};

/** These write far more than anybody reads, then answer. */
export const FLOODS: Readonly<Record<string, string>> = {
  floodsLines: fetches(
    'for (let line = 0; line < 100_000; line++) console.log("line", line); return new Response("done")',
  ),
  floodsWithoutNewline: fetches(
    'for (let count = 0; count < 100; count++) process.stdout.write("x".repeat(1_000_000)); return new Response("done")',
  ),
  floodsDescriptor: `
import { writeSync } from 'node:fs';
${fetches('const bytes = Buffer.alloc(65_536, "x"); for (let count = 0; count < 500; count++) writeSync(1, bytes); return new Response("done")')}`,
  floodsByChild: `
import { spawn } from 'node:child_process';
import { once } from 'node:events';
${fetches('await once(spawn("/bin/sh", ["-c", "yes | head -c 50000000"], { stdio: "inherit" }), "exit"); return new Response("done")')}`,
  floodsChannel: `${FRAMES}
const line = Buffer.alloc(11, 'y');
line[0] = 0;
line[1] = 2;
line.writeDoubleLE(Date.now(), 2);
const lines = Buffer.concat(Array.from({ length: 1_000 }, () => frame(LOG, 0, 1, line)));
${fetches('for (let count = 0; count < 100; count++) send(lines); return new Response("done")')}`,
};

export function hostileApp(): AppFiles {
  const all = Object.values(HOSTILE).flatMap((group) => Object.entries(group));
  const files: AppFiles = {};
  let manifest = 'app: hostile\nfunctions:\n  neighbour: {}\n';
  for (const [name, { source }] of all) {
    files[`functions/${name}.mjs`] = source;
    manifest += `  ${name}: { timeout: 1s, idle: 100ms }\n`;
  }
  for (const [name, source] of Object.entries({ ...MIDWAY, ...FLOODS })) {
    files[`functions/${name}.mjs`] = source;
    manifest += `  ${name}: { timeout: 20s, idle: 100ms }\n`;
  }
  files['functions/spinsAtLoad.mjs'] = 'for (;;);';
  manifest += '  spinsAtLoad: { startTimeout: 4s }\n';
  return {
    ...files,
    'functions/neighbour.js': 'export default () => "undisturbed";',
    'lambent.yaml': manifest,
  };
}
