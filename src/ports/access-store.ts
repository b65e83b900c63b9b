/** A token of the control API. The token itself is never stored: only its SHA-256. */
export interface AccessToken {
  /** For people: `first`, `ci` … Unique. */
  readonly name: string;
  /** SHA-256 of the token, hex. */
  readonly hash: string;
  /** Epoch milliseconds. */
  readonly createdMs: number;
}

/** Who may use the control API. */
export interface AccessStore {
  /** False when the name is taken; nothing is changed then. Durable when it resolves. */
  addToken(token: AccessToken): Promise<boolean>;
  findToken(hash: string): Promise<AccessToken | undefined>;
  listTokens(): Promise<AccessToken[]>;
  /** False when there is none of that name. */
  removeToken(name: string): Promise<boolean>;
}
