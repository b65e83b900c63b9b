import type { Plugin } from 'rolldown';

/**
 * Web apps that are merely created, never exported and never listening, are still found: the author's own
 * imports of these packages go through a small wrapper that keeps every export as it is and notes each created
 * app in `globalThis[Symbol.for('lambent.created')]` as `{ kind, app }`. The runtime makes that array before it
 * loads the code and reads it afterwards; without the array nothing is noted.
 */
const KINDS = ['express', 'koa', 'fastify', 'hono'] as const;
type Kind = (typeof KINDS)[number];

const PREFIX = '\0lambent-created:';
const REAL_PREFIX = 'lambent-created-real:';

/** A function or class that behaves as before, and notes what it creates. */
const NOTE = `
const note = (kind, app) => {
  globalThis[Symbol.for('lambent.created')]?.push({ kind, app });
  return app;
};
const wrap = (kind, original) => {
  if (typeof original !== 'function') return original;
  const wrapped = new Proxy(original, {
    apply: (target, self, args) => note(kind, Reflect.apply(target, self, args)),
    construct: (target, args, made) => note(kind, Reflect.construct(target, args, made === wrapped ? target : made)),
    get: (target, key) => {
      const value = target[key];
      return value === target && (key === 'default' || key === kind) ? wrapped : value;
    },
  });
  return wrapped;
};
`;

function importWrapper(kind: Kind, real: string): string {
  const from = JSON.stringify(real);
  if (kind === 'hono')
    return `import { Hono as Original } from ${from};${NOTE}export * from ${from};
export const Hono = /* @__PURE__ */ wrap('hono', Original);
`;
  const named = kind === 'fastify' ? 'export { wrapped as fastify };\n' : '';
  return `import original from ${from};${NOTE}export * from ${from};
const wrapped = /* @__PURE__ */ wrap('${kind}', original);
export default wrapped;
${named}`;
}

function requireWrapper(kind: Kind, real: string): string {
  const load = `require(${JSON.stringify(real)})`;
  if (kind !== 'hono') return `${NOTE}module.exports = wrap('${kind}', ${load});\n`;
  return `${NOTE}const original = ${load};
const Hono = wrap('hono', original.Hono);
module.exports = new Proxy(original, { get: (target, key) => (key === 'Hono' ? Hono : target[key]) });
`;
}

/** The plugin of one build. */
export function noteCreatedApps(): Plugin {
  // Absolute paths stay in here, so that the output does not depend on where the folder is.
  const realIds = new Map<string, string>();
  return {
    name: 'lambent-created-apps',
    resolveId: {
      filter: { id: [/^(express|koa|fastify|hono)$/, /^lambent-created-real:/] },
      async handler(source, importer, { kind }) {
        if (source.startsWith(REAL_PREFIX)) {
          const id = realIds.get(source);
          return id === undefined ? null : toResolved(id);
        }
        if (importer === undefined || importer.startsWith('\0') || importer.includes('/node_modules/'))
          return null;
        const resolved = await this.resolve(source, importer, { kind, skipSelf: true });
        if (resolved === null) return null;
        const form = kind === 'require-call' ? 'require' : 'import';
        const identity = resolved.external ? `external:${source}` : resolved.id;
        const key = wrapperKey(realIds, `${source}:${form}`, identity);
        return { id: PREFIX + key, moduleSideEffects: false };
      },
    },
    load: {
      filter: { id: /^\0lambent-created:/ },
      handler(id) {
        const key = id.slice(PREFIX.length);
        const [name, form] = key.split(':');
        const kind = KINDS.find((each) => each === name);
        if (kind === undefined) return null;
        const real = REAL_PREFIX + key;
        return {
          code: form === 'require' ? requireWrapper(kind, real) : importWrapper(kind, real),
          moduleType: 'js',
        };
      },
    },
  };
}

/** One wrapper a package and form; a second copy of the same package elsewhere gets its own. */
function wrapperKey(realIds: Map<string, string>, base: string, identity: string): string {
  for (let copy = 1; ; copy += 1) {
    const key = copy === 1 ? base : `${base}:${copy}`;
    const known = realIds.get(REAL_PREFIX + key);
    if (known === undefined) realIds.set(REAL_PREFIX + key, identity);
    if (known === undefined || known === identity) return key;
  }
}

function toResolved(identity: string): { id: string; external?: true } {
  return identity.startsWith('external:')
    ? { id: identity.slice('external:'.length), external: true }
    : { id: identity };
}
