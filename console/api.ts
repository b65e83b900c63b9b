import type { Answers } from './answers.ts';
import { noteAnswer, noteSilence } from './connection.ts';

/** The control API, from the page that it serves: the browser adds the session by itself. */

export const API = '/_lambent/api/v1';

/** An answer that is an error: the API's own record, with the status. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;

  constructor(status: number, code: string, message: string, hint: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

export interface CallOptions {
  /** Sent as JSON. */
  readonly json?: unknown;
  /** JSON text, sent as it is: large numbers in it stay what they are. */
  readonly text?: string;
  readonly signal?: AbortSignal;
}

/** Rejects with `ApiError`; one with status 0 means that the server does not answer. */
export async function callText(method: string, path: string, options: CallOptions = {}): Promise<string> {
  const body = options.text ?? (options.json === undefined ? undefined : JSON.stringify(options.json));
  let response: Response;
  let text: string;
  try {
    response = await fetch(API + path, {
      method,
      ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    text = await response.text();
  } catch (thrown) {
    if (options.signal?.aborted) throw thrown;
    noteSilence();
    throw noAnswer();
  }
  noteAnswer();
  if (!response.ok) throw errorOf(response.status, text);
  return text;
}

/** The answer of an operation of the API, which the path has to be one of. */
export async function call<Operation extends keyof Answers>(
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answers[Operation]> {
  return JSON.parse(await callText(method, path, options)) as Answers[Operation];
}

export const get = <Operation extends keyof Answers>(
  path: string,
  signal?: AbortSignal,
): Promise<Answers[Operation]> => call<Operation>('GET', path, signal === undefined ? {} : { signal });

interface Page {
  readonly items: readonly unknown[];
  readonly next?: string;
}

/** Operations that answer a list by the page. */
export type ListOperation = {
  [Operation in keyof Answers]: 'next' extends keyof Answers[Operation]
    ? Answers[Operation] extends Page
      ? Operation
      : never
    : never;
}[keyof Answers];

/** Pages of a list of what there is now, each of a thousand: more could not be shown. */
const PAGES_MAX = 100;

/** A list of what there is now, with the items of all its pages. Histories have no end, and are read as one scrolls. */
export async function getAll<Operation extends ListOperation>(
  path: string,
  signal?: AbortSignal,
): Promise<Answers[Operation]> {
  const first = await get<Operation>(path, signal);
  const items: unknown[] = [...first.items];
  let { next } = first;
  for (let pages = 1; next !== undefined; pages += 1) {
    if (pages === PAGES_MAX) throw new Error(`There is more at ${path} than this page can show.`);
    const query = queryOf({ cursor: next });
    const page = await get<Operation>(
      `${path}${path.includes('?') ? query.replace('?', '&') : query}`,
      signal,
    );
    items.push(...page.items);
    next = page.next;
  }
  return { ...first, items };
}

const noAnswer = (): ApiError =>
  new ApiError(0, 'E_NO_ANSWER', 'The server does not answer.', 'Is it running? This page tries again.');

export interface UploadOptions {
  /** How much of it has been sent, from 0 to 1. */
  onSent?(share: number): void;
  /** The answer so far, as it grows. */
  onText?(text: string): void;
}

/**
 * Sends a packed folder and reads the answer as it comes. By `XMLHttpRequest`, because `fetch` says nothing of what is
 * still on its way to the server.
 */
export function upload(path: string, body: Blob, options: UploadOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', API + path);
    request.setRequestHeader('content-type', 'application/gzip');
    request.setRequestHeader('accept', 'application/json, application/x-ndjson');
    request.upload.onprogress = ({ loaded, total }) => options.onSent?.(total === 0 ? 1 : loaded / total);
    request.onprogress = () => {
      if (request.status === 200) options.onText?.(request.responseText);
    };
    request.onload = () => {
      noteAnswer();
      if (request.status >= 200 && request.status < 300) resolve(request.responseText);
      else reject(errorOf(request.status, request.responseText));
    };
    request.onerror = () => {
      noteSilence();
      reject(noAnswer());
    };
    request.send(body);
  });
}

function errorOf(status: number, text: string): ApiError {
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string; hint: string } };
    return new ApiError(status, error.code, error.message, error.hint);
  } catch {
    return new ApiError(
      status,
      'E_NO_JSON',
      `The server answered ${status}.`,
      'A proxy in between may say why.',
    );
  }
}

/** `?a=1&b=2` of what is given. */
export function queryOf(values: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values))
    if (value !== undefined && value !== '') query.set(name, String(value));
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
