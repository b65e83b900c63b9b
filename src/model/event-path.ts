/**
 * Paths into an event as EventBridge's targets use them: `$`, `$.detail.name`, `$.detail.list[0]`, `$.detail['a b']`.
 * Deliberately absent: everything in JSONPath that finds more than one value.
 */
const STEP = /\.([A-Za-z0-9_-]+)|\[(\d{1,9})\]|\[(?:'([^']*)'|"([^"]*)")\]/y;
/** Characters of a path. */
const PATH_CHARS_MAX = 256;

/** `undefined`: it is no such path. */
export function parseEventPath(path: string): (string | number)[] | undefined {
  if (!path.startsWith('$') || path.length > PATH_CHARS_MAX) return undefined;
  const steps: (string | number)[] = [];
  STEP.lastIndex = 1;
  for (let at = 1; at < path.length; at = STEP.lastIndex) {
    STEP.lastIndex = at;
    const found = STEP.exec(path);
    if (found === null) return undefined;
    steps.push(found[2] === undefined ? (found[1] ?? found[3] ?? found[4])! : Number(found[2]));
  }
  return steps;
}

/** The value at a path that `parseEventPath` takes; `undefined`: there is none. */
export function valueAt(event: unknown, path: string): unknown {
  let value = event;
  for (const step of parseEventPath(path) ?? []) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[step];
  }
  return value;
}
