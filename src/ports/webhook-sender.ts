import type { AppName, FunctionName } from '../model/function.ts';

/** Brings events to addresses outside, signed as Standard Webhooks says. */
export interface WebhookSender {
  /** One attempt. Never rejects. */
  send(webhook: OutgoingWebhook): Promise<WebhookOutcome>;
}

export interface OutgoingWebhook {
  readonly app: AppName;
  /** The function whose network policy and variables count. */
  readonly function: FunctionName;
  readonly url: string;
  /** Names of secrets, each of which signs. */
  readonly secrets: readonly string[];
  /** The same at every attempt. */
  readonly id: string;
  /** JSON. */
  readonly body: Uint8Array;
}

export type WebhookOutcome =
  | { readonly kind: 'taken' }
  /** 410: who listens there wants nothing more, ever. */
  | { readonly kind: 'gone'; readonly message: string }
  /** `retryAfterMs`: not before, as the answer said. */
  | { readonly kind: 'failed'; readonly message: string; readonly retryAfterMs: number | undefined };
