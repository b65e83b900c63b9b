import { realpath } from 'node:fs/promises';
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Address } from '../../model/connection.ts';
import { setupError } from './change-table.ts';

/** The path of an address as it is, without links. `ownFolder`: the platform's, which nobody reads. `E_SOURCE_SETUP`. */
export async function findFile({ label, url }: Address, ownFolder: string): Promise<string> {
  const fileUrl = url.replace(/^sqlite:/, 'file:');
  if (!/^sqlite:\/\/\/./.test(url) || !URL.canParse(fileUrl))
    throw setupError(
      `${label} holds no address of a file of SQLite's.`,
      'It must be as in sqlite:///var/lib/shop/orders.db: three slashes, then the path from the root.',
    );
  const file = await realpath(fileURLToPath(fileUrl));
  if (file.startsWith(`${await realpath(ownFolder)}${sep}`))
    throw setupError(
      'The file is in the data folder of the platform, which is read by nobody else.',
      'Name another file.',
    );
  return file;
}
