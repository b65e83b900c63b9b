import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { openObjectFiles } from '../store-files/object-files.ts';
import { readItems } from './read-items.ts';

const OBJECTS: Readonly<Record<string, string | Buffer>> = {
  'days/1.json': '[{"n":1},{"n":2}]',
  'days/2.json': '{"n":3}\n',
  'rows/1.csv': 'id,name\n1,a\n',
  'rows/2.csv': 'id,name\n2,b\n',
  'lines.csv': 's3://data/rows/1.csv\n"s3://data/rows/2.csv"\n',
  'inventory/manifest.json': JSON.stringify({
    destinationBucket: 'arn:aws:s3:::elsewhere',
    fileFormat: 'CSV',
    fileSchema: 'Bucket, Key, Size',
    files: [{ key: 'inventory/data.csv.gz' }],
  }),
  'inventory/data.csv.gz': gzipSync('"data","a, ""b"".txt","12"\n"data","c.txt",""\n'),
  'inventory/broken.json': JSON.stringify({ fileFormat: 'Parquet', fileSchema: '', files: [] }),
  'inventory/torn.json': JSON.stringify({
    fileFormat: 'CSV',
    fileSchema: 'Key',
    files: [{ key: 'lines.gz' }],
  }),
  'parquet.csv': 's3://data/rows.snappy.parquet\ns3://data/rows.zstd.parquet\n',
  'lines.gz': 'not packed',
  // Two rows: id int64, name, at timestamp(ms), tags list<string>.
  'rows.snappy.parquet': Buffer.from(
    'UEFSMRUEFSAVJEwVBBUAEgAAEDwBAAAAAAAAAAEAAAAAACAAFQAVEhUWLBUEFRAVBhUGHAAAAAkgAgAAAAQBAQMCFQQVChUOTBUCFQASAAAFEAEAAABhFQAVEhUWLBUEFRAVBhUGHAAAAAkgAgAAAAMBAQIAFQQVEBUUTBUCFQASAAAIHAAEAXybAQAAFQAVEhUWLBUEFRAVBhUGHAAAAAkgAgAAAAMBAQIAFQQVChUOTBUCFQASAAAFEAEAAAB4FQAVIBUkLBUEFRAVBhUGHAAAABA8AgAAAAQAAwAAAAMHAAECABUEGXw1ABgGc2NoZW1hFQgAFQQlAhgCaWQAFQwlAhgEbmFtZSUATBwAAAAVBCUCGAJhdCUSTIwSHBwAAAAAADUCGAR0YWdzFQIVBkw8AAAANQQYBGxpc3QVAgAVDCUCGAdlbGVtZW50JQBMHAAAABYEGRwZTCYAHBUEGTUABhAZGAJpZBUCFgQWdBZ8JkgmCCksFQQVABUCABUAFRAVAgA8KQYZJgAEAAAAJgAcFQwZNQAGEBkYBG5hbWUVAhYEFl4WZiauASaEASksFQQVABUCABUAFRAVAgA8FgIZBhkmAgIAAAAmABwVBBk1AAYQGRgCYXQVAhYEFmQWbCaaAibqASksFQQVABUCABUAFRAVAgA8KQYZJgICAAAAJgAcFQwZNQAGEBk4BHRhZ3MEbGlzdAdlbGVtZW50FQIWBBZsFnQmgAMm1gIpLBUEFQAVAgAVABUQFQIAPBYCGSYEABlGAAIAAgAAABaiAxYEJggWwgMAKCBwYXJxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDI2LjAuMRlMHAAAHAAAHAAAHAAAAKQBAABQQVIx',
    'base64',
  ),
  'rows.zstd.parquet': Buffer.from(
    'UEFSMRUEFSAVMkwVBBUAEgAAKLUv/SAQgQAAAQAAAAAAAAABAAAAAAAgABUAFRIVJCwVBBUQFQYVBhwAAAAotS/9IAlJAAACAAAABAEBAwIVBBUKFRxMFQIVABIAACi1L/0gBSkAAAEAAABhFQAVEhUkLBUEFRAVBhUGHAAAACi1L/0gCUkAAAIAAAADAQECABUEFRAVIkwVAhUAEgAAKLUv/SAIQQAAAAQBfJsBAAAVABUSFSQsFQQVEBUGFQYcAAAAKLUv/SAJSQAAAgAAAAMBAQIAFQQVChUcTBUCFQASAAAotS/9IAUpAAABAAAAeBUAFSAVMiwVBBUQFQYVBhwAAAAotS/9IBCBAAACAAAABAADAAAAAwcAAQIAFQQZfDUAGAZzY2hlbWEVCAAVBCUCGAJpZAAVDCUCGARuYW1lJQBMHAAAABUEJQIYAmF0JRJMjBIcHAAAAAAANQIYBHRhZ3MVAhUGTDwAAAA1BBgEbGlzdBUCABUMJQIYB2VsZW1lbnQlAEwcAAAAFgQZHBlMJgAcFQQZNQAGEBkYAmlkFQwWBBZ0FpgBJlYmCCksFQQVABUCABUAFRAVAgA8KQYZJgAEAAAAJgAcFQwZNQAGEBkYBG5hbWUVDBYEFl4WggEm2AEmoAEpLBUEFQAVAgAVABUQFQIAPBYCGQYZJgICAAAAJgAcFQQZNQAGEBkYAmF0FQwWBBZkFogBJuACJqICKSwVBBUAFQIAFQAVEBUCADwpBhkmAgIAAAAmABwVDBk1AAYQGTgEdGFncwRsaXN0B2VsZW1lbnQVDBYEFmwWkAEm4gMmqgMpLBUEFQAVAgAVABUQFQIAPBYCGSYEABlGAAIAAgAAABaiAxYEJggWsgQAKCBwYXJxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDI2LjAuMRlMHAAAHAAAHAAAHAAAAKgBAABQQVIx',
    'base64',
  ),
};

describe('what an ItemReader reads', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-items-'));
    for (const [key, content] of Object.entries(OBJECTS)) {
      await mkdir(dirname(join(folder, 'data', key)), { recursive: true });
      await writeFile(join(folder, 'data', key), content);
    }
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const read = async (
    action: 'getObject' | 'listObjectsV2',
    parameters: object,
    config: Readonly<Record<string, unknown>> = {},
  ): Promise<string> => {
    const outcome = await readItems(openObjectFiles({ folder, mintUuid: () => 'x' }), {
      ...{ kind: 'read', resource: `arn:aws:states:::s3:${action}`, config },
      parameters: { Bucket: 'data', ...parameters },
    });
    if (outcome.status === 'ok') return (outcome.output as { text: string }).text;
    assert.ok(outcome.status === 'failed' && outcome.error === 'States.ItemReaderFailed');
    return outcome.cause;
  };

  it('is the rows of Parquet, of one object or of those that a manifest names', async () => {
    const rows = [
      { id: 1, name: 'a', at: '2026-01-02T00:00:00.000Z', tags: ['x'] },
      { id: '9007199254740993', name: null, at: null, tags: [] },
    ];
    const config = { InputType: 'PARQUET' };
    for (const compression of ['snappy', 'zstd'])
      assert.deepEqual(
        JSON.parse(await read('getObject', { Key: `rows.${compression}.parquet` }, config)),
        rows,
        compression,
      );
    const manifest = { ...config, ManifestType: 'ATHENA_DATA' };
    assert.deepEqual(JSON.parse(await read('getObject', { Key: 'parquet.csv' }, manifest)), [
      ...rows,
      ...rows,
    ]);
    assert.match(await read('getObject', { Key: 'days/1.json' }, config), /cannot be read as Parquet/);
  });

  it('is an object, or the list of objects', async () => {
    assert.equal(await read('getObject', { Key: 'days/1.json' }), '[{"n":1},{"n":2}]');
    const list = JSON.parse(await read('listObjectsV2', { Prefix: 'days/' })) as { Key: string }[];
    assert.deepEqual(
      list.map(({ Key }) => Key),
      ['days/1.json', 'days/2.json'],
    );
    assert.match(await read('getObject', { Key: 'none' }), /does not exist\. \(s3:\/\/data\/none\)/);
  });

  it('is what the listed objects hold, put together', async () => {
    const flat = { Transformation: 'LOAD_AND_FLATTEN' };
    assert.equal(await read('listObjectsV2', { Prefix: 'days/' }, flat), '[{"n":1},{"n":2},{"n":3}]');
    const csv = { ...flat, InputType: 'CSV', CSVHeaderLocation: 'FIRST_ROW' };
    assert.equal(await read('listObjectsV2', { Prefix: 'rows/' }, csv), 'id,name\n1,a\n2,b');
    assert.match(await read('listObjectsV2', { Prefix: 'rows/' }, flat), /An object is not JSON/);
  });

  it('is what a manifest names', async () => {
    const athena = { ManifestType: 'ATHENA_DATA', InputType: 'CSV' };
    assert.equal(await read('getObject', { Key: 'lines.csv' }, athena), 'id,name\n1,a\n2,b');
    assert.match(await read('getObject', { Key: 'rows/1.csv' }, athena), /no address of an object: id,name/);
    const manifest = { InputType: 'MANIFEST' };
    assert.deepEqual(JSON.parse(await read('getObject', { Key: 'inventory/manifest.json' }, manifest)), [
      { Bucket: 'data', Key: 'a, "b".txt', Size: '12' },
      { Bucket: 'data', Key: 'c.txt', Size: '' },
    ]);
    assert.match(await read('getObject', { Key: 'inventory/broken.json' }, manifest), /inventory in CSV/);
    assert.match(await read('getObject', { Key: 'inventory/torn.json' }, manifest), /not compressed by gzip/);
  });
});
