/** Access keys for AWS' clients, which sign their requests with one (Signature Version 4). */
export interface AccessKeys {
  /** `undefined`: the name is taken. The secret is shown here and never again. Durable when it resolves. */
  create(name: string): Promise<NewAccessKey | undefined>;
  /** In order of their ids. */
  list(): Promise<AccessKey[]>;
  /** False when there is none of that name. */
  remove(name: string): Promise<boolean>;
  /** What a key signs with; `undefined`: there is no such key. */
  secretOf(accessKeyId: string): Promise<string | undefined>;
}

export interface AccessKey {
  readonly accessKeyId: string;
  readonly name: string;
  /** Epoch milliseconds. */
  readonly createdMs: number;
}

export interface NewAccessKey extends AccessKey {
  readonly secretAccessKey: string;
}
