import { treeOf } from './jsonata-expression.ts';

/** What an expression reads from outside, as far as its text says. */
export interface JsonataReads {
  /** Fields of `$states`. */
  readonly states: ReadonlySet<string>;
  /** Names that stand for fields of a context item, where there is none: an expression is evaluated on nothing. */
  readonly bare: ReadonlySet<string>;
  /** `$$`, the root of the context, which is nothing as well. */
  readonly root: boolean;
}

interface Node {
  readonly type?: string;
  readonly value?: unknown;
  readonly steps?: readonly Node[];
}

/** Parts of a node that are evaluated on each item of what the node gives. */
const ON_ITEMS: ReadonlySet<string> = new Set(['predicate', 'stages', 'group', 'focus', 'index']);

/** Empty where the text is no expression. */
export function readsOf(text: string): JsonataReads {
  const states = new Set<string>();
  const bare = new Set<string>();
  let root = false;
  const visit = (part: unknown, onNothing: boolean): void => {
    if (typeof part !== 'object' || part === null) return;
    const node = part as Node;
    if (node.type === 'variable' && node.value === '$') root = true;
    const first = node.type === 'path' ? node.steps?.[0] : undefined;
    const second = node.steps?.[1]?.value;
    if (first?.type === 'variable' && first.value === 'states' && typeof second === 'string')
      states.add(second);
    if (onNothing && first?.type === 'name') bare.add(String(first.value));
    // What a function is called with, and on what a transformation works, is not to be seen here.
    const within = onNothing && node.type !== 'lambda' && node.type !== 'transform';
    for (const [name, child] of Object.entries(part)) {
      if (name !== 'steps') visit(child, within && !ON_ITEMS.has(name));
    }
    // Only the first step is on what the path is on, the others are on what came before.
    for (const [place, step] of (node.steps ?? []).entries()) visit(step, within && place === 0);
  };
  visit(treeOf(text), true);
  return { states, bare, root };
}
