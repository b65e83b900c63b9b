import { createHash } from 'node:crypto';
import type { FunctionVersion, VersionId } from '../model/function.ts';

/**
 * The identity of a version: `fv_` and 32 hex digits of a SHA-256 over its code, everything that says how it runs,
 * and the exact toolchain. The app and the function's name are part of it, so that two apps with equal code never share
 * a running instance.
 */
export function versionIdOf(version: Omit<FunctionVersion, 'id'>): VersionId {
  const { app, name, runtime, runtimePin, code, packages, entry, handler, config } = version;
  const text = canonicalJson({ app, name, runtime, runtimePin, code, packages, entry, handler, config });
  return `fv_${createHash('sha256').update(text).digest('hex').slice(0, 32)}` as VersionId;
}

/** JSON with the keys of every object in order, and without those that are undefined. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  );
}
