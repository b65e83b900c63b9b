import { mkdir, open, readdir, rename, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { LambentError } from '../base/errors.ts';
import type { MintUuid } from '../base/ids.ts';
import type { ObjectFile, ObjectFiles } from '../ports/object-files.ts';

const gunzipAsync = promisify(gunzip);

/**
 * Buckets as folders of one folder, keys as paths below them: put files there by hand, or by any program. A key
 * cannot lead out of its bucket.
 */
export function openObjectFiles({ folder, mintUuid }: { folder: string; mintUuid: MintUuid }): ObjectFiles {
  return {
    async read(bucket, key, maxBytes) {
      const file = await open(placeOf(folder, bucket, key), 'r').catch(absent);
      if (file === undefined) return undefined;
      try {
        const facts = await file.stat();
        if (!facts.isFile()) return undefined;
        if (facts.size <= maxBytes && !key.endsWith('.gz')) return await file.readFile();
        if (facts.size <= maxBytes) return await unpacked(await file.readFile(), bucket, key, maxBytes);
        throw new LambentError(
          'E_PAYLOAD_TOO_LARGE',
          `s3://${bucket}/${key} has ${facts.size} bytes, over ${maxBytes}.`,
        );
      } finally {
        await file.close();
      }
    },
    async write(bucket, key, text) {
      const place = placeOf(folder, bucket, key);
      await mkdir(dirname(place), { recursive: true });
      // Whole or not at all, whoever reads meanwhile.
      const unfinished = `${place}.${mintUuid()}.part`;
      const file = await open(unfinished, 'wx');
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(unfinished, place);
    },
    async list(bucket, prefix, limit) {
      const root = placeOf(folder, bucket, '.');
      const entries = (await readdir(root, { recursive: true, withFileTypes: true }).catch(absent)) ?? [];
      const keys = entries
        .filter((entry) => entry.isFile() && !entry.name.endsWith('.part'))
        .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
        .filter((key) => key.startsWith(prefix))
        .sort()
        .slice(0, limit);
      return await Promise.all(
        keys.map(async (key): Promise<ObjectFile> => {
          const { size, mtimeMs } = await stat(join(root, key));
          return { key, bytes: size, modifiedMs: mtimeMs };
        }),
      );
    },
  };
}

function absent(thrown: NodeJS.ErrnoException): undefined {
  if (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR' || thrown.code === 'EISDIR') return undefined;
  throw thrown;
}

const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/;

function placeOf(folder: string, bucket: string, key: string): string {
  const parts = key.split('/');
  const leadsOut = parts.some((part) => part === '..' || part.includes('\0')) || key.length > 1_024;
  if (!BUCKET.test(bucket) || leadsOut || key === '') {
    throw new LambentError(
      'E_BAD_REQUEST',
      `s3://${bucket.slice(0, 100)}/${key.slice(0, 100)} is not a place for an object.`,
    );
  }
  return join(folder, bucket, ...parts.filter((part) => part !== '' && part !== '.'));
}

/** Programs leave large objects compressed, S3 inventories above all. */
async function unpacked(packed: Buffer, bucket: string, key: string, maxBytes: number): Promise<Buffer> {
  try {
    return await gunzipAsync(packed, { maxOutputLength: maxBytes });
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE')
      throw new LambentError(
        'E_PAYLOAD_TOO_LARGE',
        `s3://${bucket}/${key} has over ${maxBytes} bytes when it is unpacked.`,
      );
    throw new LambentError('E_BAD_REQUEST', `s3://${bucket}/${key} is not compressed by gzip.`);
  }
}
