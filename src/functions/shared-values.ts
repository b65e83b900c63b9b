import type { Deployment } from '../model/deployment.ts';
import type { FunctionVersion } from '../model/function.ts';

/** So many different values are remembered of a kind; then remembering begins anew. */
const KNOWN_MAX = 10_000;

/**
 * Thousands of functions differ in name and code and little else. What is equal in them (configuration, entry, the
 * app's name) is kept once, not once each: it more than halves what a deployed function takes of memory.
 */
export class SharedValues {
  readonly #known = new Map<string, unknown>();

  /** The same deployment, with equal parts made one. */
  share(deployment: Deployment): Deployment {
    const { app } = deployment;
    return {
      ...deployment,
      functions: deployment.functions.map((version) => this.#version({ ...version, app })),
      routes: deployment.routes.map((route) => ({ ...route, cors: route.cors && this.#equal(route.cors) })),
    };
  }

  #version(version: FunctionVersion): FunctionVersion {
    return {
      ...version,
      runtime: this.#equal(version.runtime),
      runtimePin: this.#equal(version.runtimePin),
      entry: this.#equal(version.entry),
      config: this.#equal(version.config),
    };
  }

  #equal<Value>(value: Value): Value {
    const key = JSON.stringify(value);
    const known = this.#known.get(key);
    if (known !== undefined) return known as Value;
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.set(key, value);
    return value;
  }
}
