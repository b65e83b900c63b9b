import { LambentError, toLambentError } from '../base/errors.ts';
import type { ExecutionId } from '../base/ids.ts';
import { jsonProblem } from '../base/request-body.ts';
import type { FunctionVersion } from '../model/function.ts';
import { parseTraceparent } from '../model/trace-context.ts';
import type { InvocationError } from '../model/invocation.ts';
import { WINDOW_BYTES } from '../model/frames.ts';
import { INLINE_PAYLOAD_BYTES_MAX, type LargePayload } from '../model/journal.ts';
import type { EventCall, EventOutcome, HttpCall, HttpExchange, HttpSink, Invoker } from '../ports/invoker.ts';
import type { StartOptions, Workflows } from '../ports/workflows.ts';
import { START_WAIT_MS, tooLargeToAnswer } from './platform-operations.ts';

/** As everywhere that executions are started with a key. */
const KEY_CHARACTERS_MAX = 256;

/**
 * Calls of a workflow start an execution: a request, an event, an invocation. No instance is needed for it. All that
 * calls functions has this in front of the invoker.
 *
 * A request or an invocation is answered with the result, or says that the execution goes on when that takes long.
 * Events do not come this way (events/deliver.ts): they have a key by which each starts one execution.
 */
export function startByCall(invoker: Invoker, workflows: () => Starting): Invoker {
  return {
    http: (call, sink) =>
      call.version.config.workflow === true
        ? new StartExchange(call, sink, workflows())
        : invoker.http(call, sink),
    invoke: (call) =>
      call.version.config.workflow === true ? startByEvent(call, workflows()) : invoker.invoke(call),
  };
}

type Starting = Pick<Workflows, 'start' | 'result' | 'payload'>;

async function start(
  workflows: Starting,
  { app, name }: FunctionVersion,
  body: Uint8Array,
  options: StartOptions,
): Promise<ExecutionId> {
  const problem = body.length === 0 ? undefined : jsonProblem(body);
  if (problem !== undefined) throw new LambentError('E_BAD_REQUEST', `the input is not JSON: ${problem}`);
  const input: unknown = body.length === 0 ? null : JSON.parse(Buffer.from(body).toString('utf8'));
  return (await workflows.start({ app, workflow: name, input, options })).id;
}

async function startByEvent(call: EventCall, workflows: Starting): Promise<EventOutcome> {
  const ok = (value: unknown): EventOutcome => ({
    ...{ status: 'ok', billedMs: 0 },
    payload: Buffer.from(JSON.stringify(value ?? null)),
  });
  try {
    // A further attempt of an asynchronous invocation is still the same one.
    const key = call.trigger === 'async' ? { key: `invocation:${call.id}` } : {};
    // The caller's chain counts this call already.
    const depth = call.caller?.chain.depth ?? call.depth ?? 0;
    const origin = { depth, traceparent: call.traceparent };
    const id = await start(workflows, call.version, call.payload, { ...key, origin });
    if (call.trigger !== 'invoke') return ok({ id });
    const outcome = await workflows.result(id, START_WAIT_MS);
    if (outcome?.status === 'succeeded')
      return 'json' in outcome.output
        ? ok(outcome.output.json)
        : refused(tooLargeToAnswer(id, outcome.output));
    if (outcome !== undefined && 'error' in outcome) {
      const { errorType, errorMessage, stackTrace } = outcome.error;
      return failed({ code: 'E_FUNCTION_ERROR', errorType, errorMessage, stackTrace }, false);
    }
    const message = `execution ${id} of ${call.version.name} goes on; it is only waited for ${START_WAIT_MS} ms`;
    return refused(new LambentError('E_TIMEOUT', message));
  } catch (thrown) {
    return refused(toLambentError(thrown));
  }
}

function failed(error: InvocationError, retryable: boolean): EventOutcome {
  return { status: 'failed', error, retryable, billedMs: 0 };
}

function refused(error: LambentError): EventOutcome {
  const { code, message, facts } = error;
  return failed({ code, errorType: code, errorMessage: message, stackTrace: [] }, facts.retryable);
}

/** A request that starts an execution with its JSON body. */
class StartExchange implements HttpExchange {
  readonly #call: HttpCall;
  readonly #sink: HttpSink;
  readonly #workflows: Starting;
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;
  #over = false;
  /** How much more of an answer the caller takes now. */
  #windowBytes = WINDOW_BYTES;
  #onCredit: () => void = () => {};

  constructor(call: HttpCall, sink: HttpSink, workflows: Starting) {
    this.#call = call;
    this.#sink = sink;
    this.#workflows = workflows;
    // The connection reads what comes next into the same memory.
    const first = Buffer.from(call.body ?? []);
    // Not at once: whoever called has yet to be given this exchange.
    queueMicrotask(() => this.#take(first, call.bodyComplete));
  }

  writeBody(chunk: Uint8Array, last: boolean): void {
    this.#take(chunk, last);
    this.#sink.onCredit(chunk.byteLength);
  }

  credit(bytes: number): void {
    this.#windowBytes += bytes;
    this.#onCredit();
  }

  /** What was started goes on. */
  cancel(): void {
    this.#over = true;
    this.#onCredit();
  }

  #take(chunk: Uint8Array, last: boolean): void {
    if (this.#over) return;
    this.#bytes += chunk.byteLength;
    if (this.#bytes > INLINE_PAYLOAD_BYTES_MAX) {
      const message = `the input of workflow ${this.#call.version.name} has more than ${INLINE_PAYLOAD_BYTES_MAX} bytes`;
      this.#fail(new LambentError('E_PAYLOAD_TOO_LARGE', message));
      return;
    }
    this.#pieces.push(Buffer.from(chunk));
    if (last) void this.#start().catch((thrown) => this.#fail(toLambentError(thrown)));
  }

  async #start(): Promise<void> {
    const headers = this.#call.headerLines.split('\n');
    const headerOf = (name: string): string | undefined =>
      headers
        .find((line) => line.startsWith(`${name}:`))
        ?.slice(name.length + 1)
        .trim();
    const key = headerOf('idempotency-key');
    const origin = { depth: 0, traceparent: parseTraceparent(headerOf('traceparent')) };
    const options = { origin, ...(key === undefined ? {} : { key }) };
    if (key !== undefined && (key === '' || key.length > KEY_CHARACTERS_MAX))
      throw new LambentError('E_BAD_REQUEST', `an idempotency-key has 1 to ${KEY_CHARACTERS_MAX} characters`);
    const id = await start(this.#workflows, this.#call.version, Buffer.concat(this.#pieces), options);
    // RFC 7240.
    const waits = headerOf('prefer')?.includes('respond-async') !== true;
    const outcome = waits ? await this.#workflows.result(id, START_WAIT_MS) : undefined;
    if (outcome === undefined) this.#answer(202, id, { id, status: 'running' });
    else if (outcome.status !== 'succeeded') this.#answer(500, id, { id, ...outcome });
    else if ('json' in outcome.output) this.#answer(200, id, outcome.output.json);
    else await this.#answerLarge(id, outcome.output);
  }

  #answer(status: number, id: ExecutionId, value: unknown): void {
    if (this.#over) return;
    this.#over = true;
    const body = Buffer.from(JSON.stringify(value ?? null));
    const head = `content-type: application/json\r\nlambent-execution: ${id}\r\n`;
    this.#sink.onHead(status, head, -1, body, true);
    this.#sink.onEnd();
  }

  /** As fast as the caller takes it. */
  async #answerLarge(id: ExecutionId, { blob, bytes }: LargePayload): Promise<void> {
    const pieces = await this.#workflows.payload(id, blob, 0);
    if (this.#over) return;
    if (pieces === undefined)
      throw new LambentError('E_STORE_DAMAGED', `the result of execution ${id} is not there`);
    const head = `content-type: application/json\r\ncontent-length: ${bytes}\r\nlambent-execution: ${id}\r\n`;
    this.#sink.onHead(200, head, bytes, undefined, false);
    for await (const piece of pieces) {
      while (this.#windowBytes <= 0 && !this.#over)
        await new Promise<void>((resolve) => {
          this.#onCredit = resolve;
        });
      if (this.#over) return;
      this.#windowBytes -= piece.length;
      this.#sink.onBody(piece);
    }
    this.#over = true;
    this.#sink.onEnd();
  }

  #fail(error: LambentError): void {
    if (this.#over) return;
    this.#over = true;
    this.#sink.onFailure(error);
  }
}
