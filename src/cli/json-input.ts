import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { EVENT_BYTES_MAX } from '../ports/invoker.ts';
import { usage } from './arguments.ts';
import type { Terminal } from './terminal.ts';

/** An event given as JSON text, `@file`, or `-` for stdin: as bytes, known to be JSON and not too large, before anything is sent. */
export async function readJsonInput(given: string, terminal: Terminal): Promise<Uint8Array> {
  const bytes = await eventBytes(given, terminal);
  if (bytes.byteLength > EVENT_BYTES_MAX) {
    throw usage(
      `The event has ${bytes.byteLength} bytes`,
      `An event has at most ${EVENT_BYTES_MAX} bytes (6 MiB).`,
    );
  }
  const text = new TextDecoder().decode(bytes);
  try {
    JSON.parse(text);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw usage(
      `The event is not JSON: ${reason}`,
      `Quote it for the shell, as in --data '{"a": 1}', or use --data @file.`,
    );
  }
  return bytes;
}

async function eventBytes(given: string, terminal: Terminal): Promise<Uint8Array> {
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
    throw usage(`The event cannot be read: ${reason}`, 'Check the name after @.');
  }
}
