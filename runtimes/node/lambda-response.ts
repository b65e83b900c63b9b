import { inspect } from 'node:util';
import { RuntimeFailure } from './failure.ts';
import { RESULT_BYTES_MAX, resultTooLarge } from './fetch-handler.ts';
import type { Invocation } from './invocations.ts';
import { headerName, headerValue } from './web-headers.ts';

/**
 * What a Lambda handler returned, as the answer to HTTP: the rules of API Gateway's payload format 2.0. An object
 * with `statusCode` is a response; anything else is the body of a 200 with `content-type: application/json`.
 */

function invalid(what: string): RuntimeFailure {
  return new RuntimeFailure('E_FUNCTION_RESPONSE_INVALID', 'InvalidResponse', what);
}

function shown(value: unknown): string {
  return inspect(value, {
    depth: 1,
    maxStringLength: 80,
    maxArrayLength: 5,
    breakLength: Number.POSITIVE_INFINITY,
  }).slice(0, 200);
}

/** JSON text of a value; `undefined` becomes `null`. Throws E_FUNCTION_RESPONSE_INVALID for what JSON cannot hold. */
export function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch (error) {
    throw invalid(`the handler returned a value that cannot be written as JSON: ${(error as Error).message}`);
  }
}

function statusOf(value: unknown): number {
  const status = typeof value === 'string' && /^\d{3}$/.test(value) ? Number(value) : value;
  if (typeof status === 'number' && Number.isInteger(status) && status >= 200 && status <= 599) return status;
  throw invalid(`the handler returned statusCode ${shown(value)}; it must be a whole number from 200 to 599`);
}

/** Header lines from `headers`, `multiValueHeaders` and `cookies` of a response object. */
export function lambdaHeaderBlock(response: Record<string, unknown>): { block: string; typed: boolean } {
  let block = '';
  let typed = false;
  const add = (name: string, value: unknown): void => {
    if (value === undefined || value === null) return;
    if (typeof value === 'object' || typeof value === 'function' || typeof value === 'symbol')
      throw invalid(
        `the handler returned the header ${name} with the value ${shown(value)}; it must be a string`,
      );
    const key = headerName(name);
    if (key === 'content-length' || key === 'connection' || key === 'transfer-encoding') return;
    typed ||= key === 'content-type';
    block += `${key}: ${headerValue(key, value)}\r\n`;
  };
  try {
    for (const part of ['headers', 'multiValueHeaders'] as const) {
      const group = response[part];
      if (group === undefined || group === null) continue;
      if (typeof group !== 'object')
        throw invalid(`the handler returned ${part}: ${shown(group)}; it must be an object`);
      for (const [name, value] of Object.entries(group)) {
        if (Array.isArray(value)) for (const one of value) add(name, one);
        else add(name, value);
      }
    }
    const { cookies } = response;
    if (cookies !== undefined && cookies !== null) {
      if (!Array.isArray(cookies))
        throw invalid(`the handler returned cookies: ${shown(cookies)}; it must be an array`);
      for (const cookie of cookies) add('set-cookie', cookie);
    }
  } catch (error) {
    if (error instanceof RuntimeFailure) throw error;
    throw invalid(`the handler returned a header that is not valid: ${(error as Error).message}`);
  }
  return { block, typed };
}

function bodyOf(response: Record<string, unknown>): string | Buffer {
  const { body } = response;
  if (body === undefined || body === null) return '';
  if (typeof body !== 'string')
    throw invalid(
      `the handler returned a body of type ${typeof body} (${shown(body)}); it must be a string: use JSON.stringify`,
    );
  return response.isBase64Encoded === true ? Buffer.from(body, 'base64') : body;
}

/** Answers an HTTP request with what the handler returned. */
export function sendLambdaResponse(invocation: Invocation, result: unknown): void {
  const isHead = invocation.head.includes('\nHEAD ');
  if (
    typeof result === 'object' &&
    result !== null &&
    (result as Record<string, unknown>).statusCode !== undefined
  ) {
    const response = result as Record<string, unknown>;
    const status = statusOf(response.statusCode);
    const { block, typed } = lambdaHeaderBlock(response);
    const body = bodyOf(response);
    const withType =
      typed || body.length === 0 ? block : `${block}content-type: text/plain; charset=utf-8\r\n`;
    send(invocation, status, withType, body, isHead);
    return;
  }
  send(
    invocation,
    200,
    'content-type: application/json\r\n',
    typeof result === 'string' ? result : jsonText(result),
    isHead,
  );
}

function send(
  invocation: Invocation,
  status: number,
  block: string,
  body: string | Buffer,
  isHead: boolean,
): void {
  if (status === 204 || status === 304) {
    invocation.respond(status, block, undefined, 0, true);
    return;
  }
  const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  const head = `${block}content-length: ${bytes}\r\n`;
  if (isHead) invocation.respond(status, head, undefined, 0, true);
  else invocation.respond(status, head, body, bytes, true);
}

/** Answers an event call with what the handler returned, as JSON. */
export function sendLambdaResult(invocation: Invocation, result: unknown): void {
  const bytes = Buffer.from(jsonText(result));
  if (bytes.length > RESULT_BYTES_MAX) throw resultTooLarge(bytes.length);
  invocation.result(bytes, true);
}
