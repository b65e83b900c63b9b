/**
 * Evaluates one `lambent.config.ts` in a process of its own and sends its default export as data, over a channel of
 * Node's or, from a sandbox, on standard output. It has no other purpose and ends right after. Its arguments: the file,
 * and the module that `lambent` stands for.
 */
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

/** What the process answers. */
export type ConfigReply =
  | { readonly json: string }
  | { readonly failure: { readonly name: string; readonly message: string; readonly stack: string } };

const [file, sdk] = process.argv.slice(2);
const sdkUrl = pathToFileURL(sdk!).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'lambent' ? { url: sdkUrl, shortCircuit: true } : next(specifier, context),
});

async function evaluate(): Promise<ConfigReply> {
  try {
    const loaded: Record<string, unknown> = await import(pathToFileURL(file!).href);
    const exported = await loaded.default;
    if (exported === undefined)
      throw new TypeError('it has no default export; write `export default defineApp({ … })`');
    const json = JSON.stringify(exported, (key, value: unknown) => {
      if (typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint')
        throw new TypeError(`\`${key}\` is a ${typeof value}; the configuration is plain data`);
      return value;
    });
    return { json };
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    return { failure: { name: error.name, message: error.message, stack: error.stack ?? '' } };
  }
}

const reply = await evaluate();
if (process.send !== undefined) process.send(reply, () => process.disconnect?.());
else process.stdout.write(`\n${JSON.stringify(reply)}\n`, () => process.exit());
