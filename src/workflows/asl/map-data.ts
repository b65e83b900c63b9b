import { runtimeFailure, StateFailure } from './failure.ts';
import { isObject, type Json, type JsonObject } from './json-value.ts';
import { evaluate } from './jsonata-expression.ts';
import type { MapRun, Thread } from './machine-state.ts';
import { numberField } from './map-fields.ts';
import { applyPath, fillTemplate, withData } from './path-scope.ts';
import type { Run } from './run.ts';

/* What a distributed Map takes in from stores and gives out to them, and how it puts items together. */

/** Asks for the items that ItemReader names. Returns the operation. */
export async function beginRead(run: Run, thread: Thread, data: Json): Promise<number> {
  const { definition, jsonata } = thread.node;
  const reader = definition.ItemReader as JsonObject;
  const scope = run.pathScope(thread, data);
  const given = reader.ReaderConfig;
  const config: JsonObject = isObject(given) ? { ...given } : {};
  delete config.MaxItemsPath;
  const holder = isObject(given) ? given : {};
  const place = 'ItemReader/ReaderConfig/';
  const max = await numberField(run, thread, holder, 'MaxItems', scope, 'integer', place);
  if (max !== undefined) config.MaxItems = max;
  const parameters = jsonata
    ? await evaluate(reader.Arguments ?? {}, 'ItemReader/Arguments', run.queryScope(thread))
    : fillTemplate(reader.Parameters ?? {}, scope);
  if (max !== undefined && max < 0) {
    throw new StateFailure('States.ItemReaderFailed', 'field MaxItems must be positive');
  }
  return run.open(thread, { kind: 'read', resource: reader.Resource as string, parameters, config });
}

/** Puts items into batches: by count, by bytes, or both. */
export async function batchItems(run: Run, thread: Thread, items: readonly Json[]): Promise<JsonObject[]> {
  const { definition, jsonata } = thread.node;
  const batcher = definition.ItemBatcher as JsonObject;
  const raw = run.pathScope(thread, thread.input);
  const scope = jsonata ? raw : withData(raw, applyPath(definition.InputPath, raw));
  const most = async (name: string): Promise<number> => {
    const max = await numberField(run, thread, batcher, name, scope, 'integer', 'ItemBatcher/');
    if (max !== undefined && max <= 0) throw runtimeFailure(`${name} must be a positive integer.`);
    return max ?? Number.POSITIVE_INFINITY;
  };
  const countMax = await most('MaxItemsPerBatch');
  const bytesMax = await most('MaxInputBytesPerBatch');
  const shared = batcher.BatchInput;
  const extra: JsonObject =
    shared === undefined
      ? {}
      : {
          BatchInput: jsonata
            ? await evaluate(shared, 'ItemBatcher/BatchInput', run.queryScope(thread))
            : fillTemplate(shared, scope),
        };
  const frame = Buffer.byteLength(JSON.stringify({ ...extra, Items: [] }));
  const batches: JsonObject[] = [];
  let batch: Json[] = [];
  let bytes = frame;
  for (const item of items) {
    const size = Buffer.byteLength(JSON.stringify(item)) + 1;
    if (batch.length > 0 && (batch.length >= countMax || bytes + size > bytesMax)) {
      batches.push({ ...extra, Items: batch });
      batch = [];
      bytes = frame;
    }
    batch.push(item);
    bytes += size;
  }
  if (batch.length > 0) batches.push({ ...extra, Items: batch });
  return batches;
}

/** Asks for the results to be written where ResultWriter says. Returns the operation. */
export async function writeResults(
  run: Run,
  thread: Thread,
  mapRun: MapRun,
  results: readonly Json[],
): Promise<number> {
  const { definition, jsonata } = thread.node;
  const writer = definition.ResultWriter as JsonObject;
  const config: JsonObject = isObject(writer.WriterConfig) ? writer.WriterConfig : {};
  const scope = run.pathScope(thread, thread.input);
  const parameters = jsonata
    ? await evaluate(writer.Arguments ?? {}, 'ResultWriter/Arguments', run.queryScope(thread))
    : fillTemplate(writer.Parameters ?? {}, withData(scope, applyPath(definition.InputPath, scope)));
  const outputs = results.filter((result) => result !== undefined);
  const flat = config.Transformation === 'FLATTEN' ? outputs.flat() : outputs;
  const shaped =
    config.Transformation === undefined || config.Transformation === 'NONE'
      ? described(mapRun, results)
      : flat;
  const ending = config.OutputType === 'JSONL' ? 'jsonl' : 'json';
  const files: JsonObject = { [`SUCCEEDED_0.${ending}`]: fileText(shaped, ending) };
  if (mapRun.failures.length > 0) {
    const failures = mapRun.failures.map(({ index, error, cause }) => ({
      Index: index,
      Status: 'FAILED',
      Error: error ?? null,
      Cause: cause ?? null,
    }));
    files[`FAILED_0.${ending}`] = fileText(failures, ending);
  }
  return run.open(thread, {
    kind: 'write',
    resource: (writer.Resource as string | undefined) ?? '',
    parameters,
    files: { mapRun: mapRun.name, files },
  });
}

function described(mapRun: MapRun, results: readonly Json[]): JsonObject[] {
  return [...results.entries()]
    .filter(([, result]) => result !== undefined)
    .map(([index, result]) => ({
      Name: `${mapRun.label}-${index}`,
      Index: index,
      Status: 'SUCCEEDED',
      Output: JSON.stringify(result),
    }));
}

function fileText(list: readonly Json[], ending: 'json' | 'jsonl'): string {
  return ending === 'json' ? JSON.stringify(list) : list.map((item) => `${JSON.stringify(item)}\n`).join('');
}
