/**
 * Sends as many requests as a server answers, over a fixed number of connections, and measures. With wrk where
 * it is installed (its own process, in C, so that the load costs little of the machine); otherwise with a plain
 * client in this process, which costs more and so measures less. A result always says which it was.
 */
import { execFile, spawnSync } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface LoadPlan {
  /** `http://127.0.0.1:8080`, without a path. */
  readonly origin: string;
  /** Requested in turn. */
  readonly paths: readonly string[];
  readonly connections: number;
  /** At least 1, whole. */
  readonly durationS: number;
  /** Sends this as JSON with POST, instead of GET. */
  readonly post?: {
    readonly body: string;
    readonly headers?: Readonly<Record<string, string>>;
    /** An answer that does not contain this has failed. */
    readonly expected: string;
  };
}

export interface LoadResult {
  readonly requestsPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers that were no success, and connections that broke. */
  readonly failed: number;
}

export interface Loader {
  /** For the report: `wrk`, or `the built-in client`. */
  readonly name: string;
  run(plan: LoadPlan): Promise<LoadResult>;
}

export function chooseLoader(): Loader {
  // wrk has no quiet way to say that it is there: without arguments it prints its usage.
  const hasWrk = spawnSync('wrk', ['--version'], { stdio: 'ignore' }).error === undefined;
  return hasWrk ? { name: 'wrk', run: runWrk } : { name: 'the built-in client', run: runBuiltIn };
}

async function runWrk({ origin, paths, connections, durationS, post }: LoadPlan): Promise<LoadResult> {
  const script = fileURLToPath(new URL('wrk-report.lua', import.meta.url));
  const args = ['-t1', `-c${connections}`, `-d${durationS}s`, '--timeout', '5s', '-s', script, origin, '--'];
  const headers = Object.entries(headersOf(post)).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const { stdout } = await promisify(execFile)('wrk', [...headers, ...args, ...paths], {
    timeout: (durationS + 30) * 1000,
    env: { ...process.env, POST_BODY: post?.body ?? '', POST_EXPECTED: post?.expected ?? '' },
  });
  const found = /^RESULT (.*)$/m.exec(stdout);
  if (found === null) throw new Error(`wrk printed no result:\n${stdout}`);
  const figures = JSON.parse(found[1]!) as Record<
    'requests' | 'durationUs' | 'p50Us' | 'p99Us' | 'failed',
    number
  >;
  return {
    requestsPerS: (figures.requests / figures.durationUs) * 1e6,
    p50Ms: figures.p50Us / 1000,
    p99Ms: figures.p99Us / 1000,
    failed: figures.failed,
  };
}

function headersOf(post: LoadPlan['post']): Readonly<Record<string, string>> {
  return post === undefined ? {} : { 'content-type': 'application/json', ...post.headers };
}

export async function runBuiltIn(plan: LoadPlan): Promise<LoadResult> {
  const { origin, paths, connections, durationS, post } = plan;
  const { hostname, port, host } = new URL(origin);
  const body = post?.body ?? '';
  const lines = [`Host: ${host}`, ...Object.entries(headersOf(post)).map((header) => header.join(': '))];
  if (post !== undefined) lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  const head = `HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
  const method = post === undefined ? 'GET' : 'POST';
  const run: Run = {
    requests: paths.map((path) => Buffer.from(`${method} ${path} ${head}`)),
    expected: post?.expected ?? '',
    next: 0,
    latenciesMs: [],
    failed: 0,
    endMs: performance.now() + durationS * 1000,
  };
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: connections }, () => driveConnection(connect(Number(port), hostname), run)),
  );
  const elapsedS = (performance.now() - startMs) / 1000;
  const sorted = run.latenciesMs.sort((a, b) => a - b);
  return {
    requestsPerS: sorted.length / elapsedS,
    p50Ms: sorted[Math.floor(sorted.length * 0.5)] ?? 0,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    failed: run.failed,
  };
}

interface Run {
  readonly requests: readonly Buffer[];
  readonly expected: string;
  next: number;
  readonly latenciesMs: number[];
  failed: number;
  readonly endMs: number;
}

/** One connection: a request, its whole answer, the next request, until the time is over. */
function driveConnection(socket: Socket, run: Run): Promise<void> {
  return new Promise((resolve) => {
    let sentMs = 0;
    let answer = '';
    const send = (): void => {
      if (performance.now() >= run.endMs) {
        socket.end();
        return;
      }
      answer = '';
      sentMs = performance.now();
      socket.write(run.requests[run.next++ % run.requests.length]!);
    };
    socket.setNoDelay(true);
    socket.setTimeout(5000, () => socket.destroy(new Error('no answer within 5 s')));
    socket.on('connect', send);
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (!isWhole(answer)) return;
      run.latenciesMs.push(performance.now() - sentMs);
      if (!/^HTTP\/1\.1 2/.test(answer) || !answer.includes(run.expected)) run.failed += 1;
      send();
    });
    socket.on('error', () => {
      run.failed += 1;
    });
    socket.on('close', () => resolve());
  });
}

function isWhole(answer: string): boolean {
  const headEnd = answer.indexOf('\r\n\r\n');
  if (headEnd < 0) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(answer.slice(0, headEnd))?.[1];
  if (length !== undefined) return answer.length >= headEnd + 4 + Number(length);
  return answer.endsWith('\r\n0\r\n\r\n');
}
