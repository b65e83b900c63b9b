import type { LambentError } from '../base/errors.ts';
import { isTooDeep } from '../base/json-depth.ts';
import { readBody } from '../base/request-body.ts';

/*
 * AWS' JSON protocols (https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html): POST to `/`, the operation in
 * X-Amz-Target, JSON both ways, errors by their name in `__type`.
 */

/** A request's body; the largest field of any operation is a definition or a payload of 1 MB. */
const REQUEST_BYTES_MAX = 4 * 1024 * 1024;

/** An error that a client's SDK throws under the same name. */
export class AwsJsonError extends Error {
  override readonly name = 'AwsJsonError';
  readonly type: string;
  readonly status: number;
  readonly more: Readonly<Record<string, unknown>>;

  constructor(
    type: string,
    message: string,
    options: { status?: number; more?: Record<string, unknown> } = {},
  ) {
    super(message);
    this.type = type;
    this.status = options.status ?? 400;
    this.more = options.more ?? {};
  }

  toResponse(requestId: string): Response {
    return jsonResponse({ __type: this.type, message: this.message, ...this.more }, requestId, this.status);
  }
}

export function jsonResponse(body: unknown, requestId: string, status = 200): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amzn-requestid': requestId },
  });
}

/** The fields of a request, each read once and checked. */
export class RequestFields {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(fields: Readonly<Record<string, unknown>>) {
    this.#fields = fields;
  }

  static async read(request: Request): Promise<RequestFields> {
    const body = await readBody(request, REQUEST_BYTES_MAX);
    if (body.length === 0) return new RequestFields({});
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
      const json: unknown = isTooDeep(text) ? undefined : JSON.parse(text);
      if (typeof json === 'object' && json !== null && !Array.isArray(json)) {
        return new RequestFields(json as Record<string, unknown>);
      }
    } catch {
      // Said below.
    }
    throw new AwsJsonError('SerializationException', 'The body is not a JSON object.');
  }

  /** Of the fields that have a value. */
  names(): string[] {
    return Object.keys(this.#fields).filter((name) => (this.#fields[name] ?? null) !== null);
  }

  text(name: string, maxChars = REQUEST_BYTES_MAX): string {
    const value = this.optionalText(name, maxChars);
    if (value !== undefined) return value;
    throw invalid(`Value null at '${name}' failed to satisfy constraint: Member must not be null`);
  }

  optionalText(name: string, maxChars = REQUEST_BYTES_MAX): string | undefined {
    const value = this.#fields[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'string')
      throw invalid(`Value at '${name}' failed to satisfy constraint: Member must be a string`);
    if (value.length <= maxChars) return value;
    throw invalid(
      `Value at '${name}' failed to satisfy constraint: Member must have length less than or equal to ${maxChars}`,
    );
  }

  /** One of some words; the first when it is left out. */
  choice<Word extends string>(name: string, words: readonly [Word, ...Word[]]): Word {
    return this.optionalChoice(name, words) ?? words[0];
  }

  optionalChoice<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
    const value = this.optionalText(name);
    if (value === undefined || (words as readonly string[]).includes(value)) return value as Word | undefined;
    throw invalid(
      `Value '${value}' at '${name}' failed to satisfy constraint: Member must satisfy enum value set: [${words.join(', ')}]`,
    );
  }

  flag(name: string): boolean | undefined {
    const value = this.#fields[name];
    if (value === undefined || value === null || typeof value === 'boolean') return value ?? undefined;
    throw invalid(`Value at '${name}' failed to satisfy constraint: Member must be a boolean`);
  }

  number(name: string, min: number, max: number): number | undefined {
    const value = this.#fields[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'number' && value >= min && value <= max) return value;
    if (typeof value !== 'number')
      throw invalid(`Value at '${name}' failed to satisfy constraint: Member must be a number`);
    const bound = value < min ? `greater than or equal to ${min}` : `less than or equal to ${max}`;
    throw invalid(
      `Value '${value}' at '${name}' failed to satisfy constraint: Member must have value ${bound}`,
    );
  }

  list(name: string): readonly unknown[] {
    const value = this.#fields[name] ?? [];
    if (Array.isArray(value)) return value as unknown[];
    throw invalid(`Value at '${name}' failed to satisfy constraint: Member must be a list`);
  }

  object(name: string): Readonly<Record<string, unknown>> | undefined {
    const value = this.#fields[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
    throw invalid(`Value at '${name}' failed to satisfy constraint: Member must be a structure`);
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined && this.#fields[name] !== null;
  }
}

export function invalid(message: string): AwsJsonError {
  return new AwsJsonError('ValidationException', `1 validation error detected: ${message}`);
}

/** A refusal of the platform by the name under which AWS' clients know what to do. */
export function toAwsJsonError(error: LambentError): AwsJsonError | undefined {
  const message = `${error.message} ${error.hint}`;
  switch (error.code) {
    case 'E_UNAUTHENTICATED':
      return new AwsJsonError('MissingAuthenticationTokenException', message, { status: 403 });
    case 'E_SIGNATURE_REFUSED':
      return new AwsJsonError('UnrecognizedClientException', message, { status: 403 });
    case 'E_FORBIDDEN':
    case 'E_HOST_REFUSED':
      return new AwsJsonError('AccessDeniedException', message, { status: 403 });
    case 'E_TOO_MANY_ATTEMPTS':
    case 'E_OVERLOADED':
    case 'E_CONCURRENCY_LIMIT':
      return new AwsJsonError('ThrottlingException', message);
    case 'E_PAYLOAD_TOO_LARGE':
      return new AwsJsonError('RequestEntityTooLargeException', message, { status: 413 });
    case 'E_CLIENT_CLOSED':
    case 'E_BAD_REQUEST':
      return new AwsJsonError('ValidationException', message);
    case 'E_SHUTTING_DOWN':
    case 'E_STORE_FAILED':
    case 'E_STORE_LOCKED':
    case 'E_DISK_FULL':
      return new AwsJsonError('ServiceUnavailable', message, { status: 503 });
    default:
      return undefined;
  }
}
