import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml';
import { type Locate, type ManifestPath, manifestError, type Place } from './manifest-problems.ts';

/** The largest manifest, in bytes. */
export const MANIFEST_BYTES_MAX = 1024 * 1024;
/** How often aliases may be expanded in all: stops small files that unfold into huge ones. */
const ALIASES_MAX = 100;

/** A manifest's text as plain data, with the way back to places in the text. */
export interface ManifestText {
  readonly data: unknown;
  readonly locate: Locate;
}

/**
 * Reads YAML 1.2. Numbers and booleans under `env` come out as the text that was written, so that `1.10` stays
 * `1.10`. An empty text is an empty object. Throws `E_MANIFEST_INVALID` with every syntax error and its place.
 */
export function parseManifestYaml(text: string, file: string): ManifestText {
  if (Buffer.byteLength(text) > MANIFEST_BYTES_MAX)
    throw manifestError(file, [
      { path: [], place: undefined, message: `the manifest is larger than ${MANIFEST_BYTES_MAX} bytes` },
    ]);
  const lines = new LineCounter();
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2' });
  if (document.errors.length > 0)
    throw manifestError(
      file,
      document.errors.map((error) => ({ path: [], place: placeAt(error.pos[0]), message: error.message })),
    );
  keepEnvText(document.contents);
  let data: unknown;
  try {
    data = document.toJS({ maxAliasCount: ALIASES_MAX }) ?? {};
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw manifestError(file, [{ path: [], place: undefined, message }]);
  }
  const locate: Locate = (path, what) => {
    const offset = offsetOf(document.contents, path, what);
    return offset === undefined ? undefined : placeAt(offset);
  };
  return { data, locate };
}

/** The offset of the key or value at `path`; of the nearest enclosing one where the path leads into nothing. */
function offsetOf(contents: Node | null, path: ManifestPath, what: 'key' | 'value'): number | undefined {
  let node: unknown = contents;
  let found: number | undefined = isNode(contents) ? contents.range?.[0] : undefined;
  for (const [depth, part] of path.entries()) {
    const pair: Pair<unknown, unknown> | undefined = isMap(node)
      ? node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part))
      : undefined;
    const next: unknown =
      pair !== undefined ? pair.value : isSeq(node) ? node.items[Number(part)] : undefined;
    const keyOffset = pair !== undefined && isScalar(pair.key) ? pair.key.range?.[0] : undefined;
    const valueOffset = isNode(next) ? next.range?.[0] : undefined;
    // An empty value has no place of its own worth pointing at: its key has.
    const isEmpty = isScalar(next) && next.value === null;
    const wantsKey = depth === path.length - 1 && what === 'key';
    const offset = wantsKey || isEmpty ? (keyOffset ?? valueOffset) : (valueOffset ?? keyOffset);
    if (offset === undefined) return found;
    found = offset;
    node = next;
  }
  return found;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'range' in value;
}

function keepEnvText(contents: unknown): void {
  if (!isMap(contents)) return;
  keepText(contents.get('env'));
  const functions = contents.get('functions');
  if (!isMap(functions)) return;
  for (const item of functions.items) if (isMap(item.value)) keepText(item.value.get('env'));
}

function keepText(env: unknown): void {
  if (!isMap(env)) return;
  for (const { value } of env.items) {
    if (!isScalar(value) || value.source === undefined) continue;
    if (typeof value.value === 'number' || typeof value.value === 'boolean') value.value = value.source;
  }
}
