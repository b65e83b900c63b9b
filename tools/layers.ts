/**
 * The house as one table: which files belong to which layer, and what each layer may import. Everything else
 * that ARCHITECTURE.md says about imports follows from it. `tidy.test.ts` holds the repository to it.
 */

export interface Layer {
  readonly name: string;
  /** Files of the layer. The first layer in the table whose pattern matches a path has it. */
  readonly files: RegExp;
  /** Layers it may import from at run time. `self` is its own room or adapter: the same folder. */
  readonly may: readonly string[];
  /** Layers it may import types from, beyond `may`. */
  readonly mayTypes?: readonly string[];
  /** Layers that its tests may import from, beyond `may`. */
  readonly mayInTests?: readonly string[];
  /** Packages it may import; left out: any that package.json names. Node's own modules are always allowed. */
  readonly packages?: readonly string[];
}

const INNER = ['base', 'model', 'ports'];
/** Tests meet the real thing rather than a stand-in, so they may name what production code reaches by ports. */
const REAL = ['base', 'model', 'ports', 'frames', 'room', 'spawner', 'adapter', 'runtime', 'sdk'];

export const LAYERS: readonly Layer[] = [
  { name: 'base', files: /^src\/base\//, may: ['base'], packages: [] },
  {
    name: 'frames',
    files: /^src\/model\/(?:frames|stream-table|trailers|workflow-wire|code-cache)\.ts$/,
    may: [],
    packages: [],
  },
  {
    name: 'model',
    files: /^src\/model\//,
    may: ['base', 'model', 'frames'],
    packages: ['zod', 'yaml', 'croner'],
  },
  { name: 'ports', files: /^src\/ports\//, may: ['base', 'model', 'frames', 'ports'], packages: [] },
  // What all sandbox drivers share: the process that starts instances.
  {
    name: 'spawner',
    files: /^src\/spawner\//,
    may: [...INNER, 'frames', 'spawner'],
    mayInTests: ['adapter'],
  },
  // What all sources of changed rows share: the connection's loop, the queue, the form of an event.
  { name: 'rows', files: /^src\/sources\/rows\//, may: [...INNER, 'rows'], packages: [] },
  {
    name: 'adapter',
    files: /^src\/(?:store|sandbox)-[a-z0-9-]+\/|^src\/sources\/[a-z0-9-]+\//,
    may: [...INNER, 'frames', 'spawner', 'rows', 'self'],
    mayInTests: REAL,
  },
  // The only places that name concrete adapters.
  {
    name: 'wire',
    files: /^src\/server\/(?:wire|open-sandbox)\.ts$/,
    may: [...INNER, 'frames', 'room', 'adapter', 'server', 'wire'],
  },
  {
    name: 'server',
    files: /^src\/server\//,
    may: [...INNER, 'frames', 'room', 'server', 'wire'],
    mayInTests: REAL,
  },
  {
    name: 'cli',
    files: /^src\/cli\//,
    may: [...INNER, 'frames', 'room', 'server', 'cli'],
    mayInTests: REAL,
  },
  // How an app's folder becomes an archive: of the language alone, since the CLI packs it and a browser does.
  {
    name: 'packing',
    files:
      /^src\/functions\/(?:archive\/(?:archive-limits|ignore-rules|packed-folder|tar-headers)|build\/skipped-folders)\.ts$/,
    may: ['packing'],
    packages: [],
  },
  // Every other folder of src/ is a room. Rooms do not import rooms: they meet in ports.
  {
    name: 'room',
    files: /^src\/[a-z0-9-]+\//,
    may: [...INNER, 'frames', 'packing', 'self'],
    mayInTests: REAL,
  },
  // Programs of any language run beside one of these, which builds on the Node.js runtime's end of the channel.
  {
    name: 'shim',
    files: /^runtimes\/(?:child|bootstrap|build|command)\//,
    may: ['frames', 'runtime', 'shim'],
    mayInTests: ['base', 'frames', 'model', 'ports', 'runtime', 'adapter'],
    packages: [],
  },
  // What runs inside the sandbox, and what a user's code imports: nothing of the platform but the wire.
  {
    name: 'runtime',
    files: /^runtimes\/[a-z0-9-]+\//,
    may: ['frames', 'self'],
    mayTypes: ['model', 'ports', 'sdk'],
    mayInTests: ['base', 'frames', 'model', 'ports', 'runtime', 'adapter'],
    packages: [],
  },
  {
    name: 'sdk',
    files: /^sdk\/[a-z0-9-]+\//,
    may: ['frames', 'self'],
    mayTypes: ['model'],
    mayInTests: ['base', 'frames', 'model', 'runtime'],
    packages: [],
  },
  // The console meets the platform over HTTP alone; the types of its answers are made of the OpenAPI document. It packs
  // folders as the CLI does.
  {
    name: 'console',
    files: /^console\//,
    may: ['console', 'packing'],
    mayTypes: ['model', 'ports'],
    packages: [
      'react',
      'react-dom',
      '@tanstack/react-query',
      '@tanstack/react-virtual',
      '@xyflow/react',
      '@codemirror/commands',
      '@codemirror/lang-json',
      '@codemirror/language',
      '@codemirror/lint',
      '@codemirror/search',
      '@codemirror/state',
      '@codemirror/view',
      '@lezer/highlight',
      '@dagrejs/dagre',
    ],
  },
  { name: 'bin', files: /^bin\//, may: [], packages: [] },
  // `npm run conformance` is an exam that a test could take as well.
  { name: 'tools', files: /^tools\//, may: [...INNER, 'frames', 'room', 'tools', 'test'] },
  // Simulations run the real rooms over stand-ins for time, disk and processes.
  { name: 'sim', files: /^sim\//, may: [...INNER, 'frames', 'room', 'runtime', 'sdk', 'sim'] },
  // A history of a million calls is written straight into the store: nobody waits for them to happen.
  {
    name: 'bench-fill',
    files: /^bench\/fill-history\.ts$/,
    may: [...INNER, 'adapter'],
  },
  // A race starts Lambent as its users do, so it sees no more of it than they do.
  { name: 'bench', files: /^bench\//, may: ['base', 'bench', 'bench-fill'] },
  { name: 'test', files: /^test\//, may: [...REAL, 'wire', 'server', 'cli', 'test', 'tools'] },
];

/** Folders whose files are checked as code. `examples/` and `templates/` hold users' code: names and layers are theirs. */
export const CODE_FOLDERS = ['src', 'runtimes', 'sdk', 'console', 'bin', 'tools', 'bench', 'sim', 'test'];

/** Modules of the test runner, and the packages that only tests use, are free in tests and conformance suites. */
export function isTestFile(path: string): boolean {
  return /\.test\.ts$/.test(path) || path.startsWith('test/') || path.includes('/conformance/');
}

export function layerOf(path: string): Layer | undefined {
  return LAYERS.find((layer) => layer.files.test(path));
}

/** The folder that `self` stands for: `src/gateway/`, `runtimes/node/`. */
function homeOf(path: string): string {
  const depth = path.startsWith('src/sources/') ? 3 : 2;
  return `${path.split('/').slice(0, depth).join('/')}/`;
}

/** Why `from` may not import `to` (both paths in the repository), or `undefined` when it may. */
export function refuseImport(from: string, to: string, typeOnly: boolean): string | undefined {
  const source = layerOf(from);
  const target = layerOf(to);
  if (source === undefined || target === undefined) {
    return `${source === undefined ? from : to} belongs to no layer of tools/layers.ts`;
  }
  if (source.may.includes(target.name)) return undefined;
  if (source.may.includes('self') && homeOf(from) === homeOf(to)) return undefined;
  if (typeOnly && source.mayTypes?.includes(target.name) === true) return undefined;
  if (isTestFile(from) && source.mayInTests?.includes(target.name) === true) return undefined;
  if (source.name === target.name)
    return `${plural(source.name)} do not import each other: ${from} and ${to}`;
  return `${source.name} may not import ${target.name}: ${to}`;
}

/** Why `from` may not import the package, or `undefined` when it may. */
export function refusePackage(from: string, packageName: string): string | undefined {
  const allowed = layerOf(from)?.packages;
  if (allowed === undefined || allowed.includes(packageName) || isTestFile(from)) return undefined;
  return `${layerOf(from)!.name} may not import the package ${packageName}`;
}

function plural(layer: string): string {
  return `${layer}s`;
}
