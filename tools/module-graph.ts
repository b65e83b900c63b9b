import { posix } from 'node:path';
import type { SourceFacts } from './source-facts.ts';

/** Who imports whom among the files of the repository. */
export interface ModuleGraph {
  /** Imports that hold at load time or for the compiler, types included: the edges of cycles and layers. */
  readonly imports: ReadonlyMap<string, readonly ImportEdge[]>;
  /** Imports, and files that are named by a path (workers, child processes): the edges of reachability. */
  readonly references: ReadonlyMap<string, readonly string[]>;
}

export interface ImportEdge {
  readonly to: string;
  readonly typeOnly: boolean;
  readonly line: number;
}

/** `paths`: all files of the repository; `facts`: those that were parsed. */
export function buildModuleGraph(
  paths: ReadonlySet<string>,
  facts: ReadonlyMap<string, SourceFacts>,
): ModuleGraph {
  const imports = new Map<string, ImportEdge[]>();
  const references = new Map<string, string[]>();
  for (const [path, fact] of facts) {
    const edges: ImportEdge[] = [];
    for (const entry of fact.imports) {
      if (!entry.specifier.startsWith('.')) continue;
      const to = posix.join(posix.dirname(path), entry.specifier);
      edges.push({ to, typeOnly: entry.typeOnly, line: entry.line });
    }
    imports.set(path, edges);
    // The allow-list names files without using them.
    const strings = path === 'tools/allow-list.ts' ? [] : fact.strings;
    const named = strings.flatMap((text) => namedFiles(paths, path, text));
    references.set(path, [...edges.map((edge) => edge.to), ...named]);
  }
  return { imports, references };
}

/** The files that a text in `from` may mean: relative to the file itself or to the repository. */
function namedFiles(paths: ReadonlySet<string>, from: string, text: string): string[] {
  if (text.length > 200 || !/^[\w./@-]+\.[a-z]+$/i.test(text)) return [];
  const candidates = [posix.join(posix.dirname(from), text), posix.normalize(text)];
  // What ends in .ts in the clone ends in .js in the published package; code may name either.
  return candidates
    .flatMap((path) => [path, path.replace(/\.js$/, '.ts')])
    .filter((path) => path !== from && paths.has(path));
}

export function reachableFrom(graph: ModuleGraph, entries: Iterable<string>): Set<string> {
  const seen = new Set<string>();
  const stack = [...entries];
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    stack.push(...(graph.references.get(path) ?? []));
  }
  return seen;
}

/** Each group of files that import one another in a circle (Tarjan's strongly connected components). */
export function findCycles(graph: ModuleGraph): string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const cycles: string[][] = [];
  const visit = (path: string): void => {
    order.set(path, order.size);
    low.set(path, order.get(path)!);
    open.push(path);
    const targets = (graph.imports.get(path) ?? []).map((edge) => edge.to);
    for (const to of targets) {
      if (!order.has(to)) visit(to);
      if (open.includes(to)) low.set(path, Math.min(low.get(path)!, low.get(to)!));
    }
    if (low.get(path) !== order.get(path)) return;
    const group = open.splice(open.indexOf(path));
    if (group.length > 1 || targets.includes(path)) cycles.push(group.sort());
  };
  for (const path of graph.imports.keys()) if (!order.has(path)) visit(path);
  return cycles;
}
