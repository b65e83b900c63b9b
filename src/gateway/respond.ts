import { STATUS_CODES } from 'node:http';
import type { Clock } from '../base/clock.ts';
import type { LambentError } from '../base/errors.ts';

/** A whole answer that the gateway gives by itself. */
export interface Answer {
  readonly status: number;
  /** `name: value\r\n` lines, without content-length. */
  readonly block: string;
  readonly body: string;
}

const statusLines = new Map<number, string>();

/** `HTTP/1.1 200 OK\r\n`. */
export function statusLine(status: number): string {
  let line = statusLines.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`;
    statusLines.set(status, line);
  }
  return line;
}

/** Whether an answer has a body at all (RFC 9110, 6.4.1). */
export function hasBody(method: string, status: number): boolean {
  return method !== 'HEAD' && status !== 204 && status !== 304 && status >= 200;
}

/** The `date` header, made once a second at most. */
export class DateHeader {
  readonly #clock: Clock;
  #second = 0;
  #line = '';

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  line(): string {
    const second = Math.floor(this.#clock.nowMs() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#line = `date: ${new Date(second * 1000).toUTCString()}\r\n`;
    }
    return this.#line;
  }
}

/**
 * An error as its caller sees it: JSON with code, whose fault, and what to do next. Stacks and causes stay in the logs.
 */
export function errorAnswer(error: LambentError, requestId: string): Answer {
  const { status } = error.facts;
  const { code, message, fault, retryable, hint } = error.toRecord();
  const retryAfter = error.retryAfterS === undefined ? '' : `retry-after: ${error.retryAfterS}\r\n`;
  return {
    status,
    block: `content-type: application/json; charset=utf-8\r\ncache-control: no-store\r\n${retryAfter}`,
    body: `${JSON.stringify({ error: { code, message, fault, retryable, hint }, requestId })}\n`,
  };
}

/** A whole answer as text, after which its connection is closed. */
export function closingAnswer(answer: Answer, date: DateHeader, requestId: string): string {
  const length = answer.status === 204 ? '' : `content-length: ${Buffer.byteLength(answer.body)}\r\n`;
  return `${statusLine(answer.status)}${answer.block}${length}connection: close\r\n${date.line()}x-request-id: ${requestId}\r\n\r\n${answer.body}`;
}
