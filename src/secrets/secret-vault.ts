/**
 * Secrets: values that the functions that name them get in their environment, and nobody else sees.
 *
 * Guaranteed: on the disk a value is encrypted (AES-256-GCM) with a key that is not in the database; no interface of the
 * platform gives it back; it reaches only instances of functions whose manifest names it, over their own channel; what
 * a function logs of it is replaced. A new value reaches functions without a deploy.
 *
 * Deliberately absent: protection from whoever can read the platform's files, which hold the key, or its memory; and
 * from the function itself, which can send on what it was given.
 */
import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { AppName, FunctionVersion } from '../model/function.ts';
import { SECRET_BYTES_MAX, SECRET_NAME, SECRETS_MAX } from '../model/secret.ts';
import type { SecretStore } from '../ports/secret-store.ts';
import type { Secrets, SecretView } from '../ports/secrets.ts';
import { deriveKey, seal, unseal } from './seal.ts';

/** Shorter values are not replaced in logs: they occur everywhere. */
const REDACTED_CHARS_MIN = 6;

export interface SecretVaultOptions {
  readonly store: SecretStore;
  /** What only the platform's user can read; the key follows from it. */
  readonly rootSecret: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

interface Entry {
  /** `undefined`: it cannot be decrypted. */
  readonly value: string | undefined;
  readonly updatedMs: number;
}

const placeOf = (app: AppName, name: string): string => `${app}/${name}`;

/** Reads all secrets. One that cannot be decrypted is logged, and missing until it is set anew. */
export async function openSecretVault(options: SecretVaultOptions): Promise<Secrets> {
  const { store, rootSecret, log } = options;
  const key = deriveKey(rootSecret);
  const entries = new Map<AppName, Map<string, Entry>>();
  for (const { app, name, sealed, updatedMs } of await store.listSecrets()) {
    let value: string | undefined;
    try {
      value = unseal(key, placeOf(app, name), sealed);
    } catch (error) {
      log.error('a secret cannot be decrypted', { app, name, error: String(error) });
    }
    entryMap(entries, app).set(name, { value, updatedMs });
  }
  return new SecretVault(options, key, entries);
}

function entryMap(entries: Map<AppName, Map<string, Entry>>, app: AppName): Map<string, Entry> {
  let ofApp = entries.get(app);
  if (ofApp === undefined) {
    ofApp = new Map();
    entries.set(app, ofApp);
  }
  return ofApp;
}

class SecretVault implements Secrets {
  readonly #options: SecretVaultOptions;
  readonly #key: Buffer;
  readonly #entries: Map<AppName, Map<string, Entry>>;
  readonly #listeners = new Set<(app: AppName, name: string) => void>();
  /** What to look for in an app's logs, the longest first; made when it is first needed. */
  readonly #patterns = new Map<
    AppName,
    { readonly find: RegExp; readonly names: ReadonlyMap<string, string> }
  >();

  constructor(options: SecretVaultOptions, key: Buffer, entries: Map<AppName, Map<string, Entry>>) {
    this.#options = options;
    this.#key = key;
    this.#entries = entries;
  }

  async set(app: AppName, name: string, value: string): Promise<void> {
    const bytes = Buffer.byteLength(value);
    if (!SECRET_NAME.test(name))
      throw new LambentError(
        'E_SECRET_INVALID',
        `${JSON.stringify(name.slice(0, 80))} is no name of a secret: letters, digits and \`_\`, not starting with a digit, at most 64.`,
      );
    if (bytes === 0 || bytes > SECRET_BYTES_MAX || value.includes('\0'))
      throw new LambentError(
        'E_SECRET_INVALID',
        `The value of ${name} has ${bytes} bytes; it needs 1 to ${SECRET_BYTES_MAX}, none of them zero.`,
      );
    const ofApp = entryMap(this.#entries, app);
    if (!ofApp.has(name) && ofApp.size >= SECRETS_MAX)
      throw new LambentError(
        'E_SECRET_INVALID',
        `The app ${app} has ${SECRETS_MAX} secrets, which is the limit.`,
      );
    const { store, clock, random } = this.#options;
    const updatedMs = clock.nowMs();
    const sealed = seal(this.#key, placeOf(app, name), value, random);
    await store.putSecret({ app, name, sealed, updatedMs });
    ofApp.set(name, { value, updatedMs });
    this.#changed(app, name);
  }

  async remove(app: AppName, name: string): Promise<boolean> {
    const removed = await this.#options.store.removeSecret(app, name);
    this.#entries.get(app)?.delete(name);
    if (removed) this.#changed(app, name);
    return removed;
  }

  list(): SecretView[] {
    return [...this.#entries].flatMap(([app, ofApp]) =>
      [...ofApp].map(([name, { updatedMs }]) => ({ app, name, updatedMs })),
    );
  }

  valueOf(app: AppName, name: string): string | undefined {
    return this.#entries.get(app)?.get(name)?.value;
  }

  missing({ app, config }: FunctionVersion): string[] {
    return (config.secrets ?? []).filter((name) => this.valueOf(app, name) === undefined);
  }

  environmentOf({ app, name: functionName, config }: FunctionVersion): Record<string, string> {
    const environment: Record<string, string> = {};
    for (const name of config.secrets ?? []) {
      const value = this.valueOf(app, name);
      if (value === undefined)
        throw new LambentError(
          'E_SECRET_MISSING',
          `function ${functionName} names the secret ${name}, which has no value`,
          { hint: `Give it one: \`lambent secrets set ${app} ${name}\`.` },
        );
      environment[name] = value;
    }
    return environment;
  }

  redact(app: AppName, text: string): string {
    const ofApp = this.#entries.get(app);
    if (ofApp === undefined || ofApp.size === 0) return text;
    const { find, names } = this.#patternOf(app, ofApp);
    return text.replace(find, (value) => `[secret ${names.get(value)}]`);
  }

  subscribe(listener: (app: AppName, name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #patternOf(app: AppName, ofApp: ReadonlyMap<string, Entry>) {
    const known = this.#patterns.get(app);
    if (known !== undefined) return known;
    const names = new Map<string, string>();
    for (const [name, { value }] of ofApp) {
      if (value === undefined) continue;
      // As it is, and as it looks in JSON and in a URL.
      for (const form of [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)])
        if (form.length >= REDACTED_CHARS_MIN) names.set(form, name);
    }
    const forms = [...names.keys()].sort((left, right) => right.length - left.length);
    // Without any, what never matches.
    const find = forms.length === 0 ? /(?!)/ : new RegExp(forms.map(RegExp.escape).join('|'), 'g');
    const pattern = { find, names };
    this.#patterns.set(app, pattern);
    return pattern;
  }

  #changed(app: AppName, name: string): void {
    this.#patterns.delete(app);
    for (const listener of this.#listeners) listener(app, name);
  }
}
