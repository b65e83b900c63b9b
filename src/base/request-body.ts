import { LambentError } from './errors.ts';

/** Reads a whole body of at most `maxBytes`. `E_PAYLOAD_TOO_LARGE`; `E_CLIENT_CLOSED` when it breaks off. */
export async function readBody(request: Request, maxBytes: number): Promise<Buffer> {
  const tooLarge = (): LambentError =>
    new LambentError('E_PAYLOAD_TOO_LARGE', `The body is over ${maxBytes} bytes.`, {
      details: { limitBytes: maxBytes },
    });
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge();
  if (request.body === null) return Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of request.body) {
      size += chunk.byteLength;
      if (size > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (thrown) {
    if (thrown instanceof LambentError) throw thrown;
    throw new LambentError('E_CLIENT_CLOSED', 'The body broke off.', { cause: thrown });
  }
  return Buffer.concat(chunks, size);
}

/** Why these bytes are not JSON text in UTF-8; `undefined` when they are. */
export function jsonProblem(bytes: Uint8Array): string | undefined {
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return undefined;
  } catch (thrown) {
    return thrown instanceof SyntaxError ? thrown.message : 'it is not UTF-8 text';
  }
}
