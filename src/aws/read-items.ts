import { toLambentError } from '../base/errors.ts';
import type { ObjectFiles } from '../ports/object-files.ts';
import { parquetRows } from './parquet-rows.ts';
import type { ServiceOutcome, ServiceRequest } from '../ports/state-services.ts';

/*
 * What an ItemReader reads: one object, a list of objects, or, by a manifest, the objects that others name. It comes out
 * as one text in the format that ReaderConfig has; the state machine makes items of it.
 */

/** Largest text that an ItemReader reads, in bytes, and most objects that it lists or that a manifest names. */
const TEXT_BYTES_MAX = 64 * 1024 * 1024;
const OBJECTS_MAX = 100_000;

type ReadRequest = Extract<ServiceRequest, { kind: 'read' }>;

/** Why nothing can be read. */
class Unreadable extends Error {
  override readonly name = 'Unreadable';
}

export async function readItems(files: ObjectFiles, request: ReadRequest): Promise<ServiceOutcome> {
  try {
    return { status: 'ok', output: await outputOf(files, request) };
  } catch (thrown) {
    const cause = thrown instanceof Unreadable ? thrown.message : toLambentError(thrown).message;
    return { status: 'failed', error: 'States.ItemReaderFailed', cause };
  }
}

async function outputOf(
  files: ObjectFiles,
  { resource, parameters, config }: ReadRequest,
): Promise<{ text: string; source: string }> {
  const { Bucket: given, Key: key, Prefix: prefix } = fieldsOf(parameters);
  const bucket = String(given);
  if (resource.endsWith(':s3:listObjectsV2')) {
    const source = `s3://${bucket}`;
    const found = await files.list(bucket, String(prefix ?? ''), OBJECTS_MAX);
    if (config.Transformation === 'LOAD_AND_FLATTEN')
      return {
        text: await joined(
          files,
          found.map((file) => ({ bucket, key: file.key })),
          config,
        ),
        source,
      };
    const items = found.map((file) => ({
      Key: file.key,
      Size: file.bytes,
      LastModified: file.modifiedMs / 1000,
      StorageClass: 'STANDARD',
    }));
    return { text: JSON.stringify(items), source };
  }
  if (!resource.endsWith(':s3:getObject')) throw new Unreadable(`Lambent reads no items by ${resource}.`);
  if (config.InputType === 'PARQUET' && config.ManifestType === undefined) {
    const rows = await parquetOf(files, { bucket, key: String(key) });
    return { text: JSON.stringify(rows), source: `s3://${bucket}/${String(key)}` };
  }
  const text = await need(files, bucket, String(key));
  const source = `s3://${bucket}/${String(key)}`;
  if (config.ManifestType === 'ATHENA_DATA')
    return { text: await joined(files, athenaFiles(text), config), source };
  if (config.InputType === 'MANIFEST') return { text: await inventory(files, bucket, text), source };
  return { text, source };
}

async function need(files: ObjectFiles, bucket: string, key: string): Promise<string> {
  return (await needBytes(files, bucket, key)).toString('utf8');
}

async function needBytes(files: ObjectFiles, bucket: string, key: string): Promise<Buffer> {
  const bytes = await files.read(bucket, key, TEXT_BYTES_MAX);
  if (bytes !== undefined) return bytes;
  throw new Unreadable(`The specified key does not exist. (s3://${bucket}/${key})`);
}

interface Place {
  readonly bucket: string;
  readonly key: string;
}

async function parquetOf(files: ObjectFiles, { bucket, key }: Place): Promise<unknown[]> {
  const bytes = await needBytes(files, bucket, key);
  try {
    return await parquetRows(bytes);
  } catch (thrown) {
    throw new Unreadable(`s3://${bucket}/${key} cannot be read as Parquet: ${(thrown as Error).message}`);
  }
}

/** The texts of objects as one text of the same format. */
async function joined(
  files: ObjectFiles,
  places: readonly Place[],
  config: ReadRequest['config'],
): Promise<string> {
  if (config.InputType === 'PARQUET') return await joinedRows(files, places);
  const texts: string[] = [];
  let characters = 0;
  for (const { bucket, key } of places) {
    const text = await need(files, bucket, key);
    characters += text.length;
    if (characters > TEXT_BYTES_MAX)
      throw new Unreadable(`The objects have more than ${TEXT_BYTES_MAX} bytes together.`);
    texts.push(text.replace(/\r?\n$/, ''));
  }
  const format = config.InputType ?? 'JSON';
  if (format === 'JSON') return JSON.stringify(texts.flatMap((text) => listOf(text)));
  if (format !== 'CSV' || config.CSVHeaderLocation === 'GIVEN') return texts.join('\n');
  // Each has its headers: those of the first stand for all.
  return texts.map((text, at) => (at === 0 ? text : text.slice(text.search(/\n|$/) + 1))).join('\n');
}

async function joinedRows(files: ObjectFiles, places: readonly Place[]): Promise<string> {
  const all: string[] = [];
  let characters = 0;
  for (const place of places) {
    for (const row of await parquetOf(files, place)) {
      const text = JSON.stringify(row);
      characters += text.length;
      all.push(text);
    }
    if (characters > TEXT_BYTES_MAX)
      throw new Unreadable(`The objects have more than ${TEXT_BYTES_MAX} bytes together.`);
  }
  return `[${all.join(',')}]`;
}

function listOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (thrown) {
    throw new Unreadable(`An object is not JSON: ${(thrown as Error).message}`);
  }
}

/** A manifest of Athena's UNLOAD: a line an object, as `s3://bucket/key`. */
function athenaFiles(text: string): Place[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (lines.length > OBJECTS_MAX)
    throw new Unreadable(`The manifest names more than ${OBJECTS_MAX} objects.`);
  return lines.map((line) => {
    const [, bucket, key] = /^"?s3:\/\/([^/]+)\/(.+?)"?$/.exec(line.trim()) ?? [];
    if (bucket === undefined || key === undefined)
      throw new Unreadable(`A line of the manifest is no address of an object: ${line.slice(0, 200)}`);
    return { bucket, key };
  });
}

/** An S3 inventory: `manifest.json` names files of CSV without headers, whose columns are `fileSchema`. Gives JSON. */
async function inventory(files: ObjectFiles, bucket: string, text: string): Promise<string> {
  const { fileFormat, fileSchema, files: named, destinationBucket } = fieldsOf(listOf(text));
  if (fileFormat !== 'CSV' || typeof fileSchema !== 'string' || !Array.isArray(named))
    throw new Unreadable('The manifest is none of an S3 inventory in CSV.');
  if (named.length > OBJECTS_MAX)
    throw new Unreadable(`The manifest names more than ${OBJECTS_MAX} objects.`);
  const columns = fileSchema.split(',').map((name) => name.trim());
  // The inventory lies where it was delivered to; here that may be a copy in the manifest's own bucket.
  const home = typeof destinationBucket === 'string' ? destinationBucket.split(':').at(-1)! : bucket;
  const items: Record<string, string>[] = [];
  for (const each of named) {
    const key = String(fieldsOf(each).key);
    const found = (await files.read(bucket, key, TEXT_BYTES_MAX)) ?? (await needBytes(files, home, key));
    for (const line of found.toString('utf8').split(/\r?\n/)) {
      if (line === '') continue;
      const values = [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
        ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
      );
      items.push(Object.fromEntries(columns.map((name, at) => [name, values[at] ?? ''])));
    }
  }
  return JSON.stringify(items);
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}
