import type { Address } from '../../model/connection.ts';
import type { OutgoingMessage, Sender } from '../../ports/connection-driver.ts';
import { DEPTH_HEADER } from './broker-message.ts';
import { connectRedis } from './redis-client.ts';

/** To a stream, whose key is the destination; the answer has the entry's id. */
export async function openRedisSender(address: Address): Promise<Sender> {
  const { send, lost, close } = await connectRedis(address, 'lambent-send');
  return {
    ...{ lost, close },
    async send(message) {
      const reply = await Promise.race([send('XADD', message.destination, '*', ...fieldsOf(message)), lost]);
      return { id: String(reply) };
    },
  };
}

/** An object of JSON as fields, which is how entries are read; anything else as the field `body`. */
function fieldsOf({ body, contentType, headers, depth }: OutgoingMessage): (string | Buffer)[] {
  const own = Object.entries({ ...headers, [DEPTH_HEADER]: String(depth) }).flat();
  const given: unknown =
    contentType === 'application/json' ? parseExactly(Buffer.from(body).toString()) : undefined;
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return ['body', Buffer.from(body), ...own];
  const fields = Object.entries(given).flatMap(([name, value]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  return [...fields, ...own];
}

/** What TypeScript does not know yet of JSON: https://tc39.es/proposal-json-parse-with-source */
interface ExactJson {
  parse(
    text: string,
    revive: (key: string, value: unknown, at: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
}

/** Numbers stay as they are written: as those of JavaScript large ones would lose digits. */
function parseExactly(text: string): unknown {
  const exact = JSON as unknown as ExactJson;
  return exact.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined ? exact.rawJSON(source) : value,
  );
}
