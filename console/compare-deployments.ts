import type { Deployment } from './answers.ts';

/** One difference between two deployments of an app. */
export interface Change {
  readonly kind: 'added' | 'removed' | 'changed';
  readonly what: 'function' | 'code' | 'configuration' | 'route' | 'trigger';
  readonly name: string;
  readonly text: string;
}

/** What the later one does otherwise. Without an earlier one, everything was added. */
export function compareDeployments(before: Deployment | undefined, after: Deployment): Change[] {
  const functions = byName(before?.functions ?? []);
  const changes: Change[] = [];
  for (const next of after.functions) {
    const old = functions.get(next.name);
    functions.delete(next.name);
    if (old === undefined) {
      changes.push({ kind: 'added', what: 'function', name: next.name, text: next.runtime });
      continue;
    }
    if (old.code !== next.code)
      changes.push({
        kind: 'changed',
        what: 'code',
        name: next.name,
        text: `${old.code.slice(0, 12)} → ${next.code.slice(0, 12)}`,
      });
    const settings = differences(old.config, next.config);
    if (settings !== '')
      changes.push({ kind: 'changed', what: 'configuration', name: next.name, text: settings });
  }
  for (const name of functions.keys()) changes.push({ kind: 'removed', what: 'function', name, text: '' });
  const routesOf = (deployment: Deployment | undefined) =>
    new Map(
      (deployment?.routes ?? []).map((route) => [
        `${route.method} ${route.host ?? ''}${route.path}`,
        route.function,
      ]),
    );
  changes.push(...compareValues('route', routesOf(before), routesOf(after)));
  const triggersOf = (deployment: Deployment | undefined) =>
    new Map((deployment?.triggers ?? []).map(({ name, ...rest }) => [name, settingsText(rest)]));
  changes.push(...compareValues('trigger', triggersOf(before), triggersOf(after)));
  return changes;
}

/** `to mail, source.kind events, …`: each setting by its path. */
function settingsText({ function: target, ...rest }: Readonly<Record<string, unknown>>): string {
  const parts: string[] = [`to ${String(target)}`];
  const add = (path: string, value: unknown): void => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      // What is off or nothing says nothing.
      if (value !== false && value !== 0) parts.push(`${path} ${text}`);
      return;
    }
    for (const [name, inner] of Object.entries(value)) add(path === '' ? name : `${path}.${name}`, inner);
  };
  add('', rest);
  return parts.join(', ');
}

const byName = <Item extends { name: string }>(items: readonly Item[]): Map<string, Item> =>
  new Map(items.map((item) => [item.name, item]));

function compareValues(
  what: 'route' | 'trigger',
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Change[] {
  const changes: Change[] = [];
  for (const [name, value] of after) {
    const old = before.get(name);
    if (old === undefined) changes.push({ kind: 'added', what, name, text: value });
    else if (old !== value) changes.push({ kind: 'changed', what, name, text: `${old} → ${value}` });
  }
  for (const [name, value] of before)
    if (!after.has(name)) changes.push({ kind: 'removed', what, name, text: value });
  return changes;
}

/** `memoryMb 128 → 256, …`. */
function differences(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): string {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
    .map(
      (key) => `${key} ${JSON.stringify(before[key]) ?? 'unset'} → ${JSON.stringify(after[key]) ?? 'unset'}`,
    )
    .join(', ');
}
