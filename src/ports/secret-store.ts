import type { AppName } from '../model/function.ts';

/** A secret as it is stored: nobody can read it without the key, which is not in the store. */
export interface SealedSecret {
  readonly app: AppName;
  /** Unique within the app. */
  readonly name: string;
  readonly sealed: Uint8Array<ArrayBuffer>;
  /** Epoch milliseconds. */
  readonly updatedMs: number;
}

export interface SecretStore {
  /** Stores a secret, in the place of the one with that name. Durable when it resolves. */
  putSecret(secret: SealedSecret): Promise<void>;
  /** All of all apps, by app and name. */
  listSecrets(): Promise<SealedSecret[]>;
  /** False when there is none of that name. */
  removeSecret(app: AppName, name: string): Promise<boolean>;
}
