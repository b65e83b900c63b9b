/**
 * What the rules need to know about one source file, read from its syntax tree. The parser is the one that
 * builds functions anyway (oxc, inside rolldown): it reads TypeScript as it is and needs no compiler.
 */
import { parseSync } from 'rolldown/utils';

export interface ImportFact {
  readonly specifier: string;
  /** Nothing of it remains at run time. */
  readonly typeOnly: boolean;
  readonly line: number;
}

export interface FunctionFact {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

/** Something the code names that a rule may forbid: `Date.now`, `setTimeout`, `any` … */
export interface UseFact {
  readonly name: string;
  readonly line: number;
}

export interface CommentFact {
  readonly text: string;
  readonly line: number;
}

export interface SourceFacts {
  readonly imports: readonly ImportFact[];
  /** Texts in the code that could be paths: how one program names another that it starts. */
  readonly strings: readonly string[];
  readonly functions: readonly FunctionFact[];
  readonly uses: readonly UseFact[];
  readonly comments: readonly CommentFact[];
  readonly lines: number;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

const TEST_BLOCKS = new Set([
  'describe',
  'suite',
  'test',
  'it',
  'before',
  'after',
  'beforeEach',
  'afterEach',
]);
/** Globals whose bare name is already a use, unless it is a property, a key or a declared name. */
const WATCHED_GLOBALS = new Set(['setTimeout', 'setInterval', 'setImmediate', 'eval', 'Function']);

/** Throws when the text is not valid JavaScript or TypeScript. */
export function readSourceFacts(path: string, text: string): SourceFacts {
  const result = parseSync(path, text, { lang: langOf(path) });
  const broken = result.errors[0];
  if (broken !== undefined) throw new Error(`${path} does not parse: ${broken.message}`);
  const reader = new FactReader(lineStarts(text));
  reader.read(result.program as unknown as Node);
  return {
    imports: reader.imports,
    strings: reader.strings,
    functions: reader.functions,
    uses: reader.uses,
    comments: result.comments.map((comment) => ({
      text: comment.value,
      line: reader.lineOf(comment.start),
    })),
    lines: text === '' ? 0 : text.replace(/\n$/, '').split('\n').length,
  };
}

class FactReader {
  readonly imports: ImportFact[] = [];
  readonly strings: string[] = [];
  readonly functions: FunctionFact[] = [];
  readonly uses: UseFact[] = [];
  readonly #starts: readonly number[];

  constructor(starts: readonly number[]) {
    this.#starts = starts;
  }

  lineOf(offset: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  }

  read(program: Node): void {
    this.#visit(program, undefined, undefined);
  }

  /** Visits a node and what is below; answers how many lines of it are blocks of the test runner. */
  #visit(node: Node, parent: Node | undefined, key: string | undefined): number {
    this.#readImport(node);
    this.#readUse(node, parent, key);
    if (node.type === 'Literal' && typeof node.value === 'string') this.strings.push(node.value);
    if (node.type === 'TemplateElement') {
      const text = (node.value as { cooked?: string }).cooked ?? '';
      // A path up to its ending, which differs between the clone and the published package.
      this.strings.push(text.endsWith('.') ? `${text}ts` : text);
    }

    let testLines = 0;
    for (const [childKey, value] of Object.entries(node)) {
      for (const child of Array.isArray(value) ? value : [value]) {
        if (isNode(child)) testLines += this.#visit(child, node, childKey);
      }
    }
    if (!isFunction(node)) return testLines;
    const lines = this.lineOf(node.end) - this.lineOf(node.start) + 1;
    // What `describe` and `test` wrap is a table of contents, not a body: each block counts by itself.
    this.functions.push({
      name: functionName(node, parent),
      line: this.lineOf(node.start),
      lines: lines - testLines,
    });
    return isTestBlock(parent) ? lines : testLines;
  }

  #readImport(node: Node): void {
    const source = node.source;
    if (!isNode(source) || typeof source.value !== 'string') return;
    const declares =
      node.type === 'ImportDeclaration' ||
      node.type === 'ExportNamedDeclaration' ||
      node.type === 'ExportAllDeclaration' ||
      node.type === 'ImportExpression' ||
      node.type === 'TSImportType';
    if (!declares) return;
    this.imports.push({
      specifier: source.value,
      typeOnly: isTypeOnly(node),
      line: this.lineOf(node.start),
    });
  }

  #readUse(node: Node, parent: Node | undefined, key: string | undefined): void {
    const add = (name: string): void => {
      this.uses.push({ name, line: this.lineOf(node.start) });
    };
    if (node.type === 'TSAnyKeyword') add('any');
    else if (node.type === 'MemberExpression') {
      const name = memberName(node);
      if (name !== undefined) add(name);
    } else if (node.type === 'NewExpression') {
      const callee = node.callee as Node;
      if (callee.name === 'Date' && (node.arguments as unknown[]).length === 0) add('new Date()');
    } else if (node.type === 'Identifier' && WATCHED_GLOBALS.has(node.name as string)) {
      if (isFreeName(parent, key)) add(node.name as string);
    } else if (node.type === 'ImportSpecifier') {
      const imported = node.imported as Node;
      if (typeof imported.name === 'string') add(`import ${imported.name}`);
    }
  }
}

/** `Date.now` of `Date.now()`, also through `globalThis`; `undefined` for what is not a plain name. */
function memberName(node: Node): string | undefined {
  const property = node.property as Node;
  const object = node.object as Node;
  const last = node.computed === true ? property.value : property.name;
  if (typeof last !== 'string') return undefined;
  if (object.type === 'Identifier') {
    return object.name === 'globalThis' ? last : `${object.name as string}.${last}`;
  }
  if (object.type !== 'MemberExpression') return undefined;
  const before = memberName(object);
  return before === undefined ? undefined : `${before}.${last}`;
}

/** Whether a bare identifier at this place reads the global: not a property name, a key, or a declaration. */
function isFreeName(parent: Node | undefined, key: string | undefined): boolean {
  if (parent === undefined) return true;
  if (parent.type === 'MemberExpression') return key === 'object' || parent.computed === true;
  if (parent.type.startsWith('TS') || parent.type.startsWith('Import')) return false;
  if (parent.type === 'Property') return key === 'value' || parent.computed === true;
  return key !== 'key' && key !== 'id' && key !== 'params' && key !== 'label';
}

function isTypeOnly(node: Node): boolean {
  if (node.type === 'TSImportType') return true;
  if (node.importKind === 'type' || node.exportKind === 'type') return true;
  const specifiers = node.specifiers;
  if (!Array.isArray(specifiers) || specifiers.length === 0) return false;
  return specifiers.every((entry: Node) => entry.importKind === 'type' || entry.exportKind === 'type');
}

function isFunction(node: Node): boolean {
  return (
    (node.type === 'FunctionDeclaration' ||
      node.type === 'FunctionExpression' ||
      node.type === 'ArrowFunctionExpression') &&
    isNode(node.body)
  );
}

function functionName(node: Node, parent: Node | undefined): string {
  const own = node.id;
  if (isNode(own)) return own.name as string;
  const outer = parent?.id ?? parent?.key ?? parent?.left;
  if (isNode(outer) && typeof outer.name === 'string') return outer.name;
  return 'anonymous';
}

/** Whether the parent of a function is a call such as `describe('…', () => { … })` or `test.skip(…)`. */
function isTestBlock(parent: Node | undefined): boolean {
  if (parent?.type !== 'CallExpression') return false;
  const callee = parent.callee as Node;
  const named = callee.type === 'MemberExpression' ? (callee.object as Node) : callee;
  const method = callee.type === 'MemberExpression' ? (callee.property as Node).name : undefined;
  return (
    TEST_BLOCKS.has(named.name as string) ||
    (method === 'test' && (named.name === 't' || named.name === 'context'))
  );
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

function langOf(path: string): 'ts' | 'tsx' | 'js' {
  if (path.endsWith('.tsx')) return 'tsx';
  return path.endsWith('.ts') ? 'ts' : 'js';
}
