import { isDistributed, processorOf } from './definition.ts';
import { type Findings, pointer, type Surroundings } from './diagnostics.ts';
import { isObject, type Json, type JsonObject } from './json-value.ts';
import { FIELDS, type FieldCheck, number, payload, resource } from './validate-fields.ts';

/** Fields that only a distributed Map has. */
const DISTRIBUTED_ONLY = ['ItemReader', 'ItemBatcher', 'ResultWriter'];
const BYTES_MAX = 262_144;
const COUNT_MAX = 100_000_000;

type Checks = Readonly<Record<string, FieldCheck>>;
const plain: FieldCheck = () => {};
const path = FIELDS.ItemsPath!;
const BATCHER: Checks = {
  BatchInput: payload,
  MaxItemsPerBatch: number(1, COUNT_MAX),
  MaxItemsPerBatchPath: path,
  MaxInputBytesPerBatch: number(1, BYTES_MAX),
  MaxInputBytesPerBatchPath: path,
};
const READER: Checks = {
  Resource: resource,
  ReaderConfig: plain,
  Parameters: payload,
  Arguments: payload,
};
const READER_CONFIG: Checks = {
  InputType: oneOf('CSV', 'JSON', 'JSONL', 'MANIFEST', 'PARQUET'),
  Transformation: oneOf('NONE', 'LOAD_AND_FLATTEN'),
  ManifestType: oneOf('ATHENA_DATA', 'S3_INVENTORY'),
  CSVHeaderLocation: oneOf('FIRST_ROW', 'GIVEN'),
  CSVDelimiter: oneOf('COMMA', 'PIPE', 'SEMICOLON', 'SPACE', 'TAB'),
  CSVHeaders: (value, at, _jsonata, findings) => {
    if (!Array.isArray(value) || value.some((name) => typeof name !== 'string'))
      findings.error(at, 'A list of texts is expected.');
  },
  MaxItems: number(0, COUNT_MAX),
  MaxItemsPath: path,
  ItemsPointer: FIELDS.Comment!,
};
const WRITER: Checks = {
  Resource: resource,
  WriterConfig: plain,
  Parameters: payload,
  Arguments: payload,
};
const WRITER_CONFIG: Checks = {
  Transformation: oneOf('NONE', 'COMPACT', 'FLATTEN'),
  OutputType: oneOf('JSON', 'JSONL'),
};
const PROCESSOR_CONFIG: Checks = {
  Mode: oneOf('INLINE', 'DISTRIBUTED'),
  ExecutionType: oneOf('STANDARD', 'EXPRESS'),
};

function oneOf(...names: string[]): FieldCheck {
  return (value, at, _jsonata, findings) => {
    if (!names.includes(value as string)) findings.error(at, `One of ${names.join(', ')} is expected.`);
  };
}

export function validateMap(
  state: JsonObject,
  here: string,
  jsonata: boolean,
  findings: Findings,
  around: Surroundings,
): void {
  const name = state.ItemProcessor === undefined ? 'Iterator' : 'ItemProcessor';
  const processor = processorOf(state);
  if (processor === undefined) return;
  around.flow(processor, pointer(here, name), true);
  if (!isObject(processor)) return;
  const within = (json: Json | undefined, at: string, checks: Checks): void =>
    checkObject(json, at, checks, jsonata, findings);
  within(processor.ProcessorConfig, `${here}/${name}/ProcessorConfig`, PROCESSOR_CONFIG);
  within(state.ItemBatcher, `${here}/ItemBatcher`, BATCHER);
  within(state.ItemReader, `${here}/ItemReader`, READER);
  within(state.ResultWriter, `${here}/ResultWriter`, WRITER);
  if (isObject(state.ItemReader)) {
    const { ReaderConfig: config } = state.ItemReader;
    within(config, `${here}/ItemReader/ReaderConfig`, READER_CONFIG);
    if (isObject(config) && config.CSVHeaderLocation === 'GIVEN' && config.CSVHeaders === undefined)
      findings.error(`${here}/ItemReader/ReaderConfig`, 'Headers that are GIVEN are in CSVHeaders.');
  }
  if (isObject(state.ResultWriter))
    within(state.ResultWriter.WriterConfig, `${here}/ResultWriter/WriterConfig`, WRITER_CONFIG);
  if (isDistributed(state)) {
    if ((processor.ProcessorConfig as JsonObject).ExecutionType === undefined)
      findings.error(
        `${here}/${name}/ProcessorConfig`,
        'A distributed Map says its ExecutionType, STANDARD or EXPRESS.',
      );
    if (findings.isExpress)
      findings.error(
        `${here}/${name}/ProcessorConfig/Mode`,
        'An EXPRESS state machine has no distributed Map.',
      );
    return;
  }
  for (const field of DISTRIBUTED_ONLY) {
    // Some tools write these without naming the mode; AWS refuses them only beside an explicit INLINE.
    const mode = isObject(processor.ProcessorConfig) ? processor.ProcessorConfig.Mode : undefined;
    if (state[field] !== undefined && mode === 'INLINE') {
      findings.error(pointer(here, field), `Field "${field}" is only supported with Mode DISTRIBUTED.`);
    }
  }
}

function checkObject(
  json: Json | undefined,
  at: string,
  checks: Checks,
  jsonata: boolean,
  findings: Findings,
): void {
  if (json === undefined) return;
  if (!isObject(json)) {
    findings.error(at, 'A JSON object is expected.');
    return;
  }
  for (const [name, value] of Object.entries(json)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (check === undefined) findings.error(pointer(at, name), `Field "${name}" is not supported here.`);
    else if (jsonata ? name === 'Parameters' || name.endsWith('Path') : name === 'Arguments')
      findings.error(
        pointer(at, name),
        `Field "${name}" is only supported in a ${jsonata ? 'JSONPath' : 'JSONata'} state.`,
      );
    else check(value, pointer(at, name), jsonata, findings, 'Map');
    if (json[`${name}Path`] !== undefined) {
      findings.error(pointer(at, `${name}Path`), `Only one of ${name}, ${name}Path can be given.`);
    }
  }
}
