import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { EVENT_BYTES_MAX } from '../ports/invoker.ts';
import { usage } from './arguments.ts';
import type { Terminal } from './terminal.ts';

/** What is given, as messages call it, and the option that gives it. */
interface InputNames {
  readonly what: string;
  readonly option: string;
}

const EVENT: InputNames = { what: 'event', option: '--data' };

/** An event given as JSON text, `@file`, or `-` for stdin: as bytes, known to be JSON and not too large, before anything is sent. */
export async function readJsonInput(
  given: string,
  terminal: Terminal,
  names: InputNames = EVENT,
): Promise<Uint8Array> {
  const { what, option } = names;
  const bytes = await inputBytes(given, terminal, what);
  if (bytes.byteLength > EVENT_BYTES_MAX) {
    throw usage(
      `The ${what} has ${bytes.byteLength} bytes`,
      `It may have at most ${EVENT_BYTES_MAX} bytes (6 MiB).`,
    );
  }
  const text = new TextDecoder().decode(bytes);
  try {
    JSON.parse(text);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw usage(
      `The ${what} is not JSON: ${reason}`,
      `Quote it for the shell, as in ${option} '{"a": 1}', or use ${option} @file.`,
    );
  }
  return bytes;
}

async function inputBytes(given: string, terminal: Terminal, what: string): Promise<Uint8Array> {
  if (given === '-') {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of terminal.stdin()) {
      chunks.push(chunk);
      size += chunk.byteLength;
      if (size > EVENT_BYTES_MAX) break;
    }
    return Buffer.concat(chunks);
  }
  if (!given.startsWith('@')) return Buffer.from(given);
  const path = resolve(terminal.cwd, given.slice(1));
  try {
    return await readFile(path);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw usage(`The ${what} cannot be read: ${reason}`, 'Check the name after @.');
  }
}
