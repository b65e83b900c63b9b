import { LambentError } from '../base/errors.ts';
import { jsonProblem } from '../base/request-body.ts';
import { INLINE_PAYLOAD_BYTES_MAX } from '../model/journal.ts';
import type { PayloadStore, PayloadWriter } from '../ports/payload-store.ts';
import { LargeInput, type Workflows } from '../ports/workflows.ts';

/** Takes in JSON from outside: what is too large for a journal goes to the store while it comes, and is never whole in memory. */
export function createTakeIn(payloads: PayloadStore): Workflows['takeIn'] {
  return async (pieces) => {
    const held: Uint8Array[] = [];
    let bytes = 0;
    let writer: PayloadWriter | undefined;
    try {
      for await (const piece of pieces) {
        bytes += piece.byteLength;
        held.push(piece);
        if (bytes <= INLINE_PAYLOAD_BYTES_MAX) continue;
        writer ??= payloads.begin();
        for (const each of held.splice(0)) await writer.write(each);
      }
      if (writer !== undefined) return new LargeInput(await writer.finish());
    } catch (thrown) {
      await writer?.abandon();
      throw thrown;
    }
    if (bytes === 0) return null;
    const whole = Buffer.concat(held, bytes);
    const problem = jsonProblem(whole);
    if (problem !== undefined) throw new LambentError('E_BAD_REQUEST', `The body is not JSON: ${problem}`);
    return JSON.parse(whole.toString('utf8')) as unknown;
  };
}
